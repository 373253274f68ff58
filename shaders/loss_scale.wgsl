// The factor of clipping where gradients were scaled, and the scale's next value. One invocation of one workgroup.

struct Params { max_norm: f32, interval: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> state: array<f32>; // (4): scale, good steps, factor, sum of squares
@group(0) @binding(1) var<storage, read> total: array<f32>; // (1)

const LARGEST = 16777216.0;

// Where the total is finite: square = total / scale^2, factor = min(1, max_norm / (sqrt(square) + 1e-6)) / scale, and
// the scale doubles after enough good steps. Elsewhere both are NaN and the scale is halved.
@compute @workgroup_size(1)
fn forward() {
    let bits = bitcast<u32>(total[0]);
    let scale = state[0];
    let good = state[1] + 1.0;
    if ((bits & 0x7f800000u) == 0x7f800000u) {
        state[0] = max(0.5 * scale, 1.0);
        state[1] = 0.0;
        state[2] = bitcast<f32>(bits | 0x7fc00000u);
        state[3] = bitcast<f32>(bits | 0x7fc00000u);
    } else {
        let square = total[0] / scale / scale;
        let grows = good >= params.interval;
        state[0] = select(scale, min(2.0 * scale, LARGEST), grows);
        state[1] = select(good, 0.0, grows);
        state[2] = min(1.0, params.max_norm / (sqrt(square) + 1e-6)) / scale;
        state[3] = square;
    }
}
