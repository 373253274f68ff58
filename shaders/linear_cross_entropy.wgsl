// Softmax cross-entropy of an affine map with many outputs, chunk by chunk of the outputs, and its gradients. Products
// go by tiles of 16 x 16, one for each workgroup of 256; other entries say what a workgroup takes.
#import max64
#import sum64

struct Params {
    // A product: y (m, n) from y_first on = a (m, k) b (k, n), with b from b_first on; added to y where add is 1.
    m: u32, n: u32, k: u32, a_row: u32, a_k: u32, b_k: u32, b_column: u32, b_first: u32, y_first: u32, add: u32,
    // A chunk of logits (rows, columns), whose first column is output `word`.
    rows: u32, columns: u32, word: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>; // (v)

// Rows of 17: the padding spreads the reads over the banks.
var<workgroup> a_tile: array<f32, 272>; // (16, 17), k innermost
var<workgroup> b_tile: array<f32, 272>; // (16, 17), k innermost

/// The row and column of the product that an invocation computes.
fn place(workgroup: vec3<u32>, workgroups: vec3<u32>, lane: u32) -> vec2<u32> {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let across = (params.n + 15u) / 16u;
    return vec2<u32>(index / across * 16u + lane / 16u, index % across * 16u + lane % 16u);
}

/// The sum over k for a place.
fn inner(at: vec2<u32>, lane: u32) -> f32 {
    let z = lane / 16u;
    let x = lane % 16u;
    let b_at = at.y - x + z; // the column whose numbers this invocation loads
    var sum = 0.0;
    for (var k = 0u; k < params.k; k += 16u) {
        a_tile[z * 17u + x] = 0.0;
        b_tile[z * 17u + x] = 0.0;
        if (at.x < params.m && k + x < params.k) {
            a_tile[z * 17u + x] = a[at.x * params.a_row + (k + x) * params.a_k];
        }
        if (b_at < params.n && k + x < params.k) {
            b_tile[z * 17u + x] = b[params.b_first + (k + x) * params.b_k + b_at * params.b_column];
        }
        workgroupBarrier();
        #unroll i in 0..16 {
            sum += a_tile[z * 17u + {i}u] * b_tile[x * 17u + {i}u];
        }
        workgroupBarrier();
    }
    return sum;
}

// The logits of a chunk: x (n, h) times rows of a window, transposed, plus the bias.
@compute @workgroup_size(256)
fn logits(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = place(workgroup, workgroups, lane);
    let sum = inner(at, lane);
    if (at.x < params.m && at.y < params.n) {
        y[at.x * params.n + at.y] = sum + bias[params.word + at.y];
    }
}

// A part of a gradient.
@compute @workgroup_size(256)
fn product(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = place(workgroup, workgroups, lane);
    let sum = inner(at, lane);
    let i = params.y_first + at.x * params.n + at.y;
    if (at.x < params.m && at.y < params.n) {
        if (params.add == 1u) {
            y[i] += sum;
        } else {
            y[i] = sum;
        }
    }
}

@group(0) @binding(0) var<storage, read_write> state: array<f32>; // (rows, 3): largest logit, sum, the label's logit
@group(0) @binding(1) var<storage, read> chunk: array<f32>; // (rows, columns)
@group(0) @binding(2) var<storage, read> labels: array<u32>; // (rows)

// Takes a chunk into the state of each row; `add` is 0 for the first chunk. A workgroup of 64 takes one row.
@compute @workgroup_size(64)
fn merge(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let own = min(row, params.rows - 1u);
    let first = own * params.columns;
    var most = LOWEST;
    for (var j = lane; j < params.columns; j += 64u) {
        most = max(most, chunk[first + j]);
    }
    let kept = vec2<f32>(state[own * 3u], state[own * 3u + 1u]);
    let before = select(vec2<f32>(LOWEST, 0.0), kept, params.add == 1u);
    most = max(max64(most, lane), before.x);
    var sum = 0.0;
    for (var j = lane; j < params.columns; j += 64u) {
        sum += exp(chunk[first + j] - most);
    }
    sum = sum64(sum, lane);
    if (inside && lane == 0u) {
        state[row * 3u] = most;
        state[row * 3u + 1u] = sum + before.y * exp(max(before.x - most, -100.0));
        let label = labels[row];
        if (label >= params.word && label - params.word < params.columns) {
            state[row * 3u + 2u] = chunk[first + label - params.word];
        }
    }
}

@group(0) @binding(0) var<storage, read_write> results: array<vec2<f32>>; // (rows): loss, log of the sum
@group(0) @binding(1) var<storage, read> parts: array<f32>; // (rows, 3)

// -log softmax(logits)[label] and log(sum(exp(logits))). An invocation takes one row.
@compute @workgroup_size(64)
fn finish(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (row < params.rows) {
        let log_sum = log(parts[row * 3u + 1u]);
        let relative = parts[row * 3u + 2u] - parts[row * 3u];
        results[row] = vec2<f32>(log_sum - relative, log_sum + parts[row * 3u]);
    }
}

@group(0) @binding(0) var<storage, read_write> dlogits: array<f32>; // (rows, columns); logits before
@group(0) @binding(1) var<storage, read> rows_before: array<vec2<f32>>; // (rows): loss, log of the sum
@group(0) @binding(2) var<storage, read> grad: array<vec2<f32>>; // (rows)
@group(0) @binding(3) var<storage, read> targets: array<u32>; // (rows)

// The gradient of a chunk's logits, in place: (g.x + g.y) softmax - g.x onehot(label).
@compute @workgroup_size(64)
fn probabilities(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (i < params.rows * params.columns) {
        let row = i / params.columns;
        let g = grad[row];
        let is_label = targets[row] == params.word + i % params.columns;
        dlogits[i] = (g.x + g.y) * exp(dlogits[i] - rows_before[row].y) - select(0.0, g.x, is_label);
    }
}

@group(0) @binding(0) var<storage, read_write> dbias: array<f32>; // from y_first on (v)

// The sum of a chunk's rows. An invocation takes one column.
@compute @workgroup_size(64)
fn bias_gradient(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (column < params.columns) {
        var sum = 0.0;
        for (var row = 0u; row < params.rows; row += 1u) {
            sum += chunk[row * params.columns + column];
        }
        dbias[params.y_first + params.word + column] = sum;
    }
}
