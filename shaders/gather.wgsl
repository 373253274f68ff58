// Rows picked by ids. The entry on quads is for widths that are multiples of four.
#import stored
#import result

// `n` picks of rows of `width` elements (or groups of four).
struct Params { n: u32, width: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (rows, h)
@group(0) @binding(1) var<storage, read> x: array<stored>; // (rows, h)
@group(0) @binding(0) var<storage, read_write> y4: array<vec4<result>>;
@group(0) @binding(1) var<storage, read> x4: array<vec4<stored>>;
@group(0) @binding(2) var<storage, read> picks: array<vec2<u32>>; // (n): place in y, row of x

// A workgroup of 64 moves 256 elements.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n * params.width); i += 64u) {
        let pick = picks[i / params.width];
        let column = i % params.width;
        y[pick.x * params.width + column] = result(x[pick.y * params.width + column]);
    }
}

// A workgroup of 64 moves 64 groups of four.
@compute @workgroup_size(64)
fn forward_quads(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (i < params.n * params.width) {
        let pick = picks[i / params.width];
        let column = i % params.width;
        y4[pick.x * params.width + column] = vec4<result>(x4[pick.y * params.width + column]);
    }
}
