// The sum of a residual and what dropout leaves of a sublayer's output: each element of x is 0 or scaled, by one word of
// Philox each. Each invocation takes four elements.
#import quads
#import philox

struct Params { n: u32, threshold: u32, factor: f32, step: u32, stream: u32, key_low: u32, key_high: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>; // (n)
@group(0) @binding(1) var<storage, read> residual: array<vec4<f32>>; // (n)
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // (n)

@compute @workgroup_size(64)
fn sum(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        let key = vec2<u32>(params.key_low, params.key_high);
        let words = philox(vec4<u32>(i, 0u, params.step, params.stream), key);
        y[i] = residual[i] + select(vec4<f32>(0.0), x[i] * params.factor, words >= vec4<u32>(params.threshold));
    }
}
