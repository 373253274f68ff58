// A matrix product by tiles of 64 x 64, for any layout. A workgroup of 256 computes one tile of the result over one part
// of k: it stages 64 x 16 of a and 16 x 64 of b in workgroup memory, k outermost; each invocation holds 4 x 4 sums.
// The file that imports this says where sums start: `fn start(column: u32) -> f32`.
#import operands
#import strided

// Rows of 17 groups of four: the padding spreads the writes over the banks.
var<workgroup> a_tile: array<vec4<operand>, 272>; // (16, 17)
var<workgroup> b_tile: array<vec4<operand>, 272>; // (16, 17)

fn store(row: u32, column: u32, at: u32, sums: vec4<f32>) {
    if (row < params.m) {
        #unroll c in 0..4 {
            if (column + {c}u < params.n) {
                y[at + {c}u] = result(sums[{c}] + start(column + {c}u));
            }
        }
    }
}

@compute @workgroup_size(256)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let columns = (params.n + 63u) / 64u;
    let rows = (params.m + 63u) / 64u;
    let part = index / (columns * rows);
    let row = index / columns % rows * 64u;
    let column = index % columns * 64u;
    let end = min((part + 1u) * params.k_part, params.k);
    // Neighbours load neighbours: along k where that is contiguous, else across it.
    let by_k = vec2<u32>(lane % 16u, lane / 16u);
    let a_place = select(by_k.yx, by_k, params.a_k == 1u); // (k, group of four rows)
    let b_place = select(by_k.yx, by_k, params.b_k == 1u); // (k, group of four columns)
    let x = lane % 16u;
    let z = lane / 16u;
    #unroll i in 0..4 {
        var sum{i} = vec4<f32>(0.0);
    }
    for (var k = part * params.k_part; k < end; k += 16u) {
        let a_first = row + a_place.y * 4u;
        let b_first = column + b_place.y * 4u;
        a_tile[a_place.x * 17u + a_place.y] = vec4<operand>(vec4<f32>(
            a_at(a_first, k + a_place.x, end),
            a_at(a_first + 1u, k + a_place.x, end),
            a_at(a_first + 2u, k + a_place.x, end),
            a_at(a_first + 3u, k + a_place.x, end),
        ));
        b_tile[b_place.x * 17u + b_place.y] = vec4<operand>(vec4<f32>(
            b_at(k + b_place.x, b_first, end),
            b_at(k + b_place.x, b_first + 1u, end),
            b_at(k + b_place.x, b_first + 2u, end),
            b_at(k + b_place.x, b_first + 3u, end),
        ));
        workgroupBarrier();
        #unroll i in 0..16 {
            let a{i} = vec4<f32>(a_tile[{i}u * 17u + z]);
            let b{i} = vec4<f32>(b_tile[{i}u * 17u + x]);
            #unroll j in 0..4 {
                sum{j} = fma(vec4<f32>(a{i}[{j}]), b{i}, sum{j});
            }
        }
        workgroupBarrier();
    }
    #unroll i in 0..4 {
        let row{i} = row + z * 4u + {i}u;
        store(row{i}, column + x * 4u, (part * params.m + row{i}) * params.n + column + x * 4u, sum{i});
    }
}
