// Projection onto the L-infinity ball, and the sign. Each invocation computes four elements; NaN stays NaN.
#import unary
#import backward

struct Params { n: u32, radius: f32 }
@group(1) @binding(0) var<uniform> params: Params;

fn signs(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    return vec4<f32>(x > zero) - vec4<f32>(x < zero);
}

fn f(x: vec4<f32>) -> vec4<f32> {
    return select(x, params.radius * signs(x), abs(x) > vec4<f32>(params.radius));
}

fn df(x: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), g, abs(x) <= vec4<f32>(params.radius));
}

// -1, 0 or 1.
@compute @workgroup_size(64)
fn sign_forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        y[i] = vec4<result>(signs(vec4<f32>(x[i])));
    }
}
