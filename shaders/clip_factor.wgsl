// The factor of clipping to a global norm, from the sum of squares. One invocation of one workgroup.

struct Params { max_norm: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> result: array<f32>; // (1)
@group(0) @binding(1) var<storage, read> total: array<f32>; // (1)
@group(0) @binding(2) var<storage, read> grad: array<f32>; // (1)

// min(1, max_norm / (sqrt(total) + 1e-6)); NaN where the total is not finite.
@compute @workgroup_size(1)
fn forward() {
    let bits = bitcast<u32>(total[0]);
    if ((bits & 0x7f800000u) == 0x7f800000u) {
        result[0] = bitcast<f32>(bits | 0x7fc00000u);
    } else {
        result[0] = min(1.0, params.max_norm / (sqrt(total[0]) + 1e-6));
    }
}

// -grad max_norm / (2 norm (norm + 1e-6)^2) where the norm is clipped, else 0.
@compute @workgroup_size(1)
fn backward() {
    let norm = sqrt(total[0]);
    let padded = norm + 1e-6;
    let slope = -params.max_norm / (2.0 * norm * padded * padded);
    result[0] = select(0.0, grad[0] * slope, params.max_norm < padded);
}
