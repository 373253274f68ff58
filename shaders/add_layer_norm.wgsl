// The sum of a residual and what dropout leaves of a sublayer's output. Each invocation takes four elements.
#import quads
#import dropout
#import stored

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>; // (n)
@group(0) @binding(1) var<storage, read> residual: array<vec4<stored>>; // (n)
@group(0) @binding(2) var<storage, read> x: array<vec4<stored>>; // (n)

@compute @workgroup_size(64)
fn sum(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        y[i] = vec4<f32>(residual[i]) + dropped(vec4<f32>(x[i]), i);
    }
}
