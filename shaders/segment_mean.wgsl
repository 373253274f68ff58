// The mean of each sequence's rows, and the way back. Forward, each invocation of a workgroup of 64 takes one column of
// one sequence; backward, a workgroup of 64 writes 256 elements.

// n elements of the result, of `columns` columns.
struct Params { n: u32, columns: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<f32>; // (s, h); backward: (t, h)
@group(0) @binding(1) var<storage, read> x: array<f32>; // (t, h); backward: (s, h)
@group(0) @binding(2) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(3) var<storage, read> owners: array<u32>; // (t)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (i < params.n) {
        let first = offsets[i / params.columns];
        let end = offsets[i / params.columns + 1u];
        var sum = 0.0;
        for (var row = first; row < end; row++) {
            sum += x[row * params.columns + i % params.columns];
        }
        y[i] = sum / f32(max(end - first, 1u));
    }
}

// The gradient of a sequence's mean, over the number of its rows.
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n); i += 64u) {
        let owner = owners[i / params.columns];
        let count = f32(offsets[owner + 1u] - offsets[owner]);
        y[i] = x[owner * params.columns + i % params.columns] / count;
    }
}
