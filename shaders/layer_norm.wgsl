// Layer normalization of each row, its gradients, and the moments they need. A workgroup of 64 takes one row; the
// entries on `quads` are for widths that are multiples of four.
#import sum64
#import stored
#import result

struct Params { rows: u32, columns: u32, epsilon: f32, block: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (t, h)
@group(0) @binding(1) var<storage, read> x: array<f32>; // (t, h)
@group(0) @binding(2) var<storage, read> gain: array<f32>; // (h)
@group(0) @binding(3) var<storage, read> bias: array<f32>; // (h)
@group(0) @binding(3) var<storage, read> grad: array<stored>; // (t, h)

@group(0) @binding(0) var<storage, read_write> y4: array<vec4<result>>;
@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gain4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> grad4: array<vec4<stored>>;

/// The mean of a row that starts at `first`, and the inverse of its deviation.
fn moments(first: u32, lane: u32) -> vec2<f32> {
    let n = f32(params.columns);
    var sum = 0.0;
    for (var j = lane; j < params.columns; j += 64u) {
        sum += x[first + j];
    }
    let mean = sum64(sum, lane) / n;
    var squares = 0.0;
    for (var j = lane; j < params.columns; j += 64u) {
        let d = x[first + j] - mean;
        squares += d * d;
    }
    return vec2<f32>(mean, 1.0 / sqrt(sum64(squares, lane) / n + params.epsilon));
}

/// The same on groups of four.
fn moments4(first: u32, lane: u32) -> vec2<f32> {
    let n = f32(params.columns);
    let quads = params.columns / 4u;
    var sum = vec4<f32>(0.0);
    for (var j = lane; j < quads; j += 64u) {
        sum += x4[first + j];
    }
    let mean = sum64(dot(sum, vec4<f32>(1.0)), lane) / n;
    var squares = 0.0;
    for (var j = lane; j < quads; j += 64u) {
        let d = x4[first + j] - mean;
        squares += dot(d, d);
    }
    return vec2<f32>(mean, 1.0 / sqrt(sum64(squares, lane) / n + params.epsilon));
}

// (x - mean) / deviation * gain + bias.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns;
    let first = select(0u, row, inside) * width;
    let m = moments(first, lane);
    for (var j = lane; inside && j < width; j += 64u) {
        y[first + j] = result((x[first + j] - m.x) * m.y * gain[j] + bias[j]);
    }
}

// (x - mean) / deviation * gain + bias.
@compute @workgroup_size(64)
fn forward_quads(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns / 4u;
    let first = select(0u, row, inside) * width;
    let m = moments4(first, lane);
    for (var j = lane; inside && j < width; j += 64u) {
        y4[first + j] = vec4<result>((x4[first + j] - m.x) * m.y * gain4[j] + bias4[j]);
    }
}

// dx = (d - mean(d) - xhat mean(d xhat)) / deviation, with d = grad gain.
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns;
    let first = select(0u, row, inside) * width;
    let m = moments(first, lane);
    var sums = vec2<f32>(0.0);
    for (var j = lane; j < width; j += 64u) {
        let d = f32(grad[first + j]) * gain[j];
        sums += vec2<f32>(d, d * (x[first + j] - m.x) * m.y);
    }
    let means = sum64_pair(sums, lane) / f32(params.columns);
    for (var j = lane; inside && j < width; j += 64u) {
        let d = f32(grad[first + j]) * gain[j];
        let normalized = (x[first + j] - m.x) * m.y;
        y[first + j] = result((d - means.x - normalized * means.y) * m.y);
    }
}

// dx = (d - mean(d) - xhat mean(d xhat)) / deviation, with d = grad gain.
@compute @workgroup_size(64)
fn backward_quads(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns / 4u;
    let first = select(0u, row, inside) * width;
    let m = moments4(first, lane);
    var sums = vec2<f32>(0.0);
    for (var j = lane; j < width; j += 64u) {
        let d = vec4<f32>(grad4[first + j]) * gain4[j];
        sums += vec2<f32>(dot(d, vec4<f32>(1.0)), dot(d, (x4[first + j] - m.x) * m.y));
    }
    let means = sum64_pair(sums, lane) / f32(params.columns);
    for (var j = lane; inside && j < width; j += 64u) {
        let d = vec4<f32>(grad4[first + j]) * gain4[j];
        let normalized = (x4[first + j] - m.x) * m.y;
        y4[first + j] = vec4<result>((d - means.x - normalized * means.y) * m.y);
    }
}

@group(0) @binding(0) var<storage, read_write> row_moments: array<vec2<f32>>; // (t)

// The mean and the inverse deviation of each row.
@compute @workgroup_size(64)
fn row_statistics(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns;
    let first = select(0u, row, inside) * width;
    let m = moments(first, lane);
    if (inside && lane == 0u) {
        row_moments[row] = m;
    }
}

@group(0) @binding(0) var<storage, read_write> partial: array<f32>; // (blocks, 2, h)
@group(0) @binding(2) var<storage, read> statistics: array<vec2<f32>>; // (t)

// The sums of grad xhat and of grad over one block of rows and 64 columns; `sum_rows` adds up the blocks.
@compute @workgroup_size(64)
fn parameters(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let stripes = (params.columns + 63u) / 64u;
    let block = index / stripes;
    let column = index % stripes * 64u + lane;
    let first = block * params.block;
    if (column < params.columns && first < params.rows) {
        var sums = vec2<f32>(0.0);
        for (var row = first; row < min(first + params.block, params.rows); row++) {
            let at = row * params.columns + column;
            let m = statistics[row];
            sums += f32(grad[at]) * vec2<f32>((x[at] - m.x) * m.y, 1.0);
        }
        partial[block * 2u * params.columns + column] = sums.x;
        partial[(block * 2u + 1u) * params.columns + column] = sums.y;
    }
}
