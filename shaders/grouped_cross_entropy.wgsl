// Softmax cross-entropy over the rows of each group, column by column. A workgroup of 64 takes one column of one group;
// their losses are added up by cross_entropy's entry point `forward`.
#import max64
#import sum64

struct Params { pairs: u32, columns: u32, weight: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> losses: array<f32>; // (groups * k)
@group(0) @binding(1) var<storage, read> logits: array<f32>; // (n, k)
@group(0) @binding(2) var<storage, read> offsets: array<u32>; // (groups + 1)
@group(0) @binding(3) var<storage, read> places: array<u32>; // (groups * k)

/// The largest logit of a column of a group, and the sum of the exponentials of all relative to it.
fn log_sum_exp(group: u32, column: u32, lane: u32) -> vec2<f32> {
    let end = offsets[group + 1u];
    var most = LOWEST;
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            most = max(most, logits[(start + lane) * params.columns + column]);
        }
    }
    most = max64(most, lane);
    var sum = 0.0;
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            sum += exp(logits[(start + lane) * params.columns + column] - most);
        }
    }
    return vec2<f32>(most, sum64(sum, lane));
}

@compute @workgroup_size(64)
fn losses_of_groups(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup.y * workgroups.x + workgroup.x;
    let pair = min(number, params.pairs - 1u);
    let group = pair / params.columns;
    let column = pair % params.columns;
    let parts = log_sum_exp(group, column, lane);
    if (number < params.pairs && lane == 0u) {
        let right = (offsets[group] + places[pair]) * params.columns + column;
        losses[pair] = log(parts.y) - (logits[right] - parts.x);
    }
}

@group(0) @binding(0) var<storage, read_write> dlogits: array<f32>; // (n, k)
@group(0) @binding(4) var<storage, read> grad: array<f32>; // (1)

// grad weight (softmax - onehot(place)).
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pair = min(workgroup.y * workgroups.x + workgroup.x, params.pairs - 1u);
    let group = pair / params.columns;
    let column = pair % params.columns;
    let parts = log_sum_exp(group, column, lane);
    let factor = grad[0] * params.weight;
    let right = offsets[group] + places[pair];
    let end = offsets[group + 1u];
    for (var start = offsets[group]; start < end; start += 64u) {
        let row = start + lane;
        if (row < end) {
            let i = row * params.columns + column;
            let probability = exp(logits[i] - parts.x) / parts.y;
            dlogits[i] = factor * (probability - select(0.0, 1.0, row == right));
        }
    }
}
