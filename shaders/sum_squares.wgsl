// The sum of squares of tensors, added to a total. First each workgroup of 64 sums 4,096 elements of one tensor, for up
// to six tensors at once; then one workgroup sums all parts.
#import sum64

// Workgroups that have a part, or parts to be summed; where this dispatch's parts start; the elements of each tensor.
struct Params {
    parts: u32,
    start: u32,
    #unroll t in 0..6 {
    n{t}: u32,
    }
}
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> parts: array<f32>;
@group(0) @binding(1) var<storage, read> x0: array<vec4<f32>>; // (n0), and so on
@group(0) @binding(2) var<storage, read> x1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x2: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x3: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> x5: array<vec4<f32>>;

@compute @workgroup_size(64)
fn partial(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    var part = index; // of the tensor at hand; behind the one that has it, this has wrapped to a large number
    var sum = 0.0;
    #unroll t in 0..6 {
    if (part < (params.n{t} + 4095u) / 4096u) {
        for (var i = part * 1024u + lane; i < min((part + 1u) * 1024u, (params.n{t} + 3u) / 4u); i += 64u) {
            let inside = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.n{t});
            let value = select(vec4<f32>(0.0), x{t}[i], inside);
            sum += dot(value, value);
        }
    }
    part -= (params.n{t} + 4095u) / 4096u;
    }
    let total = sum64(sum, lane);
    if (lane == 0u && index < params.parts) {
        parts[params.start + index] = total;
    }
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>; // (1)
@group(0) @binding(1) var<storage, read> squares: array<f32>; // (parts)
@group(0) @binding(2) var<storage, read> running: array<f32>; // (1)

@compute @workgroup_size(64)
fn forward(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.parts; i += 64u) {
        sum += squares[i];
    }
    let total = sum64(sum, lane);
    if (lane == 0u) {
        y[0] = running[0] + total;
    }
}
