// Each sequence's block scaled to an L2 norm or into a ball. First a workgroup of 64 per sequence finds its factors,
// then one per row applies them.
#import sum64

struct Params { n: u32, columns: u32, radius: f32, ball: u32 }
@group(1) @binding(0) var<uniform> params: Params;

const SMALLEST_NORM = 1e-12;

@group(0) @binding(0) var<storage, read_write> factors: array<vec2<f32>>; // (s): y = factors.x (g - factors.y x)
@group(0) @binding(1) var<storage, read> x: array<f32>; // (t, h)
@group(0) @binding(2) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(3) var<storage, read> grad: array<f32>; // (t, h)

fn factor(square: f32) -> f32 {
    let factor = params.radius / max(sqrt(square), SMALLEST_NORM);
    return select(factor, min(factor, 1.0), params.ball == 1u);
}

@compute @workgroup_size(64)
fn find_forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let segment = min(workgroup.y * workgroups.x + workgroup.x, params.n - 1u);
    var square = 0.0;
    for (var i = offsets[segment] * params.columns + lane; i < offsets[segment + 1u] * params.columns; i += 64u) {
        square += x[i] * x[i];
    }
    let total = sum64(square, lane);
    if (lane == 0u) {
        factors[segment] = vec2<f32>(factor(total), 0.0);
    }
}

@compute @workgroup_size(64)
fn find_backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let segment = min(workgroup.y * workgroups.x + workgroup.x, params.n - 1u);
    var sums = vec2<f32>(0.0);
    for (var i = offsets[segment] * params.columns + lane; i < offsets[segment + 1u] * params.columns; i += 64u) {
        sums += x[i] * vec2<f32>(x[i], grad[i]);
    }
    let total = sum64_pair(sums, lane);
    let scale = factor(total.x);
    if (lane == 0u) {
        let slope = total.y / max(total.x, SMALLEST_NORM);
        let scaled = scale < 1.0 || params.ball == 0u;
        factors[segment] = select(vec2<f32>(1.0, 0.0), vec2<f32>(scale, slope), scaled);
    }
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>; // (t, h)
@group(0) @binding(2) var<storage, read> found: array<vec2<f32>>; // (s)
@group(0) @binding(3) var<storage, read> owners: array<u32>; // (t)
@group(0) @binding(4) var<storage, read> dy: array<f32>; // (t, h)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    if (row < params.n) {
        let scale = found[owners[row]].x;
        for (var i = row * params.columns + lane; i < (row + 1u) * params.columns; i += 64u) {
            y[i] = scale * x[i];
        }
    }
}

@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    if (row < params.n) {
        let scale = found[owners[row]];
        for (var i = row * params.columns + lane; i < (row + 1u) * params.columns; i += 64u) {
            y[i] = scale.x * (dy[i] - scale.y * x[i]);
        }
    }
}
