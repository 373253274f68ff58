// y = f(x), element by element, with the `f` of the file that imports this.
#import quads
#import stored
#import result

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
        y[i] = vec4<result>(f(vec4<f32>(x[i])));
    }
}
