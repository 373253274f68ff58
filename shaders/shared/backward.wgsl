// dx = df(x, grad), element by element, with the `df` of the file that imports this.
#import quads
#import stored
#import result

@group(0) @binding(0) var<storage, read_write> dx: array<vec4<result>>; // (n)
@group(0) @binding(1) var<storage, read> at: array<vec4<stored>>; // (n)
@group(0) @binding(2) var<storage, read> grad: array<vec4<stored>>; // (n)

@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        dx[i] = vec4<result>(df(vec4<f32>(at[i]), vec4<f32>(grad[i])));
    }
}
