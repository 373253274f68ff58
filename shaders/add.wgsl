// The sum of two tensors of one shape. Each invocation adds four elements.
#import quads
#import stored
#import result

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> z: array<vec4<result>>; // (n)
@group(0) @binding(1) var<storage, read> x: array<vec4<stored>>; // (n)
@group(0) @binding(2) var<storage, read> y: array<vec4<stored>>; // (n)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        z[i] = vec4<result>(vec4<f32>(x[i]) + vec4<f32>(y[i]));
    }
}
