// Sums of rows by target.
#import stored
#import result

// Sum: `n` targets of `width` elements. Clear: `n` elements.
struct Params { n: u32, width: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (rows, h)
@group(0) @binding(0) var<storage, read_write> y4: array<vec4<result>>;
@group(0) @binding(1) var<storage, read> x: array<stored>; // (rows, h)
@group(0) @binding(2) var<storage, read> targets: array<u32>; // (n): row of y
@group(0) @binding(3) var<storage, read> starts: array<u32>; // (n + 1): into sources
@group(0) @binding(4) var<storage, read> sources: array<u32>; // rows of x

// Zero everywhere: rows without sources. Each invocation clears four elements.
@compute @workgroup_size(64)
fn clear(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (i * 4u < params.n) {
        y4[i] = vec4<result>(0.0);
    }
}

// The sum of each target's source rows, in their order. A workgroup of 64 sums 64 columns of one target.
@compute @workgroup_size(64)
fn sum(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let stripes = (params.width + 63u) / 64u;
    let list = index / stripes;
    let column = index % stripes * 64u + lane;
    if (list < params.n && column < params.width) {
        var total = 0.0;
        for (var i = starts[list]; i < starts[list + 1u]; i++) {
            total += f32(x[sources[i] * params.width + column]);
        }
        y[targets[list] * params.width + column] = result(total);
    }
}
