// Matrices side by side, and a block of columns. A workgroup of 64 moves 256 elements.

// Forward: n elements of a part with `inner` columns go into a result of `outer` columns, from column `first` on.
// Block: n elements of a result with `inner` columns come from a matrix of `outer` columns, from column `first` on.
struct Params { n: u32, inner: u32, outer: u32, first: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> result: array<f32>; // (rows, outer); block: (rows, inner)
@group(0) @binding(1) var<storage, read> x: array<f32>; // (rows, inner); block: (rows, outer)

/// Where in the wider matrix element i of the narrower one lies.
fn wide(i: u32) -> u32 {
    return i / params.inner * params.outer + params.first + i % params.inner;
}

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let start = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = start; i < min(start + 256u, params.n); i += 64u) {
        result[wide(i)] = x[i];
    }
}

@compute @workgroup_size(64)
fn block(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let start = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = start; i < min(start + 256u, params.n); i += 64u) {
        result[i] = x[wide(i)];
    }
}
