// The sum of a matrix's rows. A workgroup of 64 sums one block of rows over 64 columns; where there are several blocks,
// a second launch sums their results.
#import stored
#import result

struct Params { rows: u32, columns: u32, block: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (blocks, columns)
@group(0) @binding(1) var<storage, read> x: array<stored>; // (rows, columns)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let stripes = (params.columns + 63u) / 64u;
    let block = index / stripes;
    let column = index % stripes * 64u + lane;
    let first = block * params.block;
    if (column < params.columns && (first < params.rows || block == 0u)) {
        var sum = 0.0;
        for (var row = first; row < min(first + params.block, params.rows); row++) {
            sum += f32(x[row * params.columns + column]);
        }
        y[block * params.columns + column] = result(sum);
    }
}
