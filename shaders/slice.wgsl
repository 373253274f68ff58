// Some of a tensor's numbers in their order, and back into their place. A workgroup of 64 moves 256 elements.
#import stored
#import result

struct Params { n: u32, start: u32, count: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (n)
@group(0) @binding(1) var<storage, read> x: array<stored>; // (start + n, or more); backward: (count)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n); i += 64u) {
        y[i] = result(x[params.start + i]);
    }
}

// The numbers from `start` on, zero around them.
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n); i += 64u) {
        var value = 0.0;
        if (i >= params.start && i - params.start < params.count) {
            value = f32(x[i - params.start]);
        }
        y[i] = result(value);
    }
}
