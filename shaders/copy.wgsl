// A copy into the front of a larger tensor. A workgroup of 64 moves 256 elements.

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> result: array<f32>; // (n, or more)
@group(0) @binding(1) var<storage, read> x: array<f32>; // (n)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n); i += 64u) {
        result[i] = x[i];
    }
}
