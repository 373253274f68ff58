// Dropout. Each invocation takes four elements.
#import quads
#import dropout
#import stored
#import result

struct Params { n: u32, threshold: u32, factor: f32, step: u32, stream: u32, key_low: u32, key_high: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<result>>; // (n)
@group(0) @binding(1) var<storage, read> x: array<vec4<stored>>; // (n)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        y[i] = vec4<result>(dropped(vec4<f32>(x[i]), i));
    }
}
