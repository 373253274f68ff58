// Softmax cross-entropy with whole-number labels. A workgroup of 64 takes one row of logits.
#import max64
#import sum64

struct Params { rows: u32, classes: u32, weight: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> losses: array<f32>; // (n)
@group(0) @binding(1) var<storage, read> logits: array<f32>; // (n, k)
@group(0) @binding(2) var<storage, read> labels: array<u32>; // (n)

/// The largest logit of a row, and the sum of the exponentials of all relative to it.
fn log_sum_exp(first: u32, lane: u32) -> vec2<f32> {
    var most = LOWEST;
    for (var j = lane; j < params.classes; j += 64u) {
        most = max(most, logits[first + j]);
    }
    most = max64(most, lane);
    var sum = 0.0;
    for (var j = lane; j < params.classes; j += 64u) {
        sum += exp(logits[first + j] - most);
    }
    return vec2<f32>(most, sum64(sum, lane));
}

// -log softmax(logits)[label] of each row.
@compute @workgroup_size(64)
fn row_losses(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let first = min(row, params.rows - 1u) * params.classes;
    let parts = log_sum_exp(first, lane);
    if (row < params.rows && lane == 0u) {
        losses[row] = log(parts.y) - (logits[first + labels[row]] - parts.x);
    }
}

@group(0) @binding(0) var<storage, read_write> loss: array<f32>; // (1)
@group(0) @binding(1) var<storage, read> parts: array<f32>; // (n)

// weight * the sum of all losses. One workgroup.
@compute @workgroup_size(64)
fn forward(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.rows; i += 64u) {
        sum += parts[i];
    }
    let total = sum64(sum, lane);
    if (lane == 0u) {
        loss[0] = params.weight * total;
    }
}

@group(0) @binding(0) var<storage, read_write> dlogits: array<f32>; // (n, k)
@group(0) @binding(2) var<storage, read> grad: array<f32>; // (1)
@group(0) @binding(3) var<storage, read> targets: array<u32>; // (n)

// grad weight (softmax(logits) - onehot(label)).
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = min(workgroup.y * workgroups.x + workgroup.x, params.rows - 1u);
    let first = row * params.classes;
    let parts = log_sum_exp(first, lane);
    let factor = grad[0] * params.weight;
    let label = targets[row];
    for (var j = lane; j < params.classes; j += 64u) {
        let probability = exp(logits[first + j] - parts.x) / parts.y;
        dlogits[first + j] = factor * (probability - select(0.0, 1.0, j == label));
    }
}
