// A matrix product by tiles of 4 SIDE x 4 SIDE, for any layout, as `matmul_tile`, but by cooperative matrices of f16. A
// workgroup of four subgroups computes one tile of the result over one part of k, SIDE of k at a time; each subgroup has
// a quarter of the tile, 2 x 2 matrices of sums. What leaves them goes through workgroup memory, since their elements
// belong to no particular lane. The file that imports this says how large matrices are, and where sums start.
#import strided

// Lanes of a subgroup, by the adapter.
override lanes: u32 = 32u;
override invocations: u32 = 4u * lanes;

@compute @workgroup_size(invocations)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup_id: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let columns = (params.n + 4u * SIDE - 1u) / (4u * SIDE);
    let rows = (params.m + 4u * SIDE - 1u) / (4u * SIDE);
    let part = index / (columns * rows);
    let row = index / columns % rows * 4u * SIDE;
    let column = index % columns * 4u * SIDE;
    let end = min((part + 1u) * params.k_part, params.k);
    let subgroup = min(subgroup_id, 3u); // there are four if `lanes` is right, which a test at the start shows
    let first_row = subgroup / 2u * 2u * SIDE; // of the subgroup, in the tile
    let first_column = subgroup % 2u * 2u * SIDE;
    #unroll r in 0..2 {
        #unroll c in 0..2 {
            var sum{r}{c} = sums();
        }
    }
    for (var k = part * params.k_part; k < end; k += SIDE) {
        // Neighbours load neighbours: along k where that is contiguous, else across it.
        for (var i = invocation; i < 4u * SIDE * SIDE; i += invocations) {
            let by_k = vec2<u32>(i % SIDE, i / SIDE);
            let across = vec2<u32>(i / (4u * SIDE), i % (4u * SIDE));
            let a_place = select(across, by_k, params.a_k == 1u); // (k, row)
            let b_place = select(across, by_k, params.b_k == 1u); // (k, column)
            a_tile[a_place.x * STRIDE + a_place.y] = f16(a_at(row + a_place.y, k + a_place.x, end));
            b_tile[b_place.x * STRIDE + b_place.y] = f16(b_at(k + b_place.x, column + b_place.y, end));
        }
        workgroupBarrier();
        #unroll i in 0..2 {
            let a{i} = coopLoad<left>(&a_tile[first_row + {i}u * SIDE], STRIDE);
            let b{i} = coopLoadT<right>(&b_tile[first_column + {i}u * SIDE], STRIDE);
        }
        #unroll r in 0..2 {
            #unroll c in 0..2 {
                sum{r}{c} = coopMultiplyAdd(a{r}, b{c}, sum{r}{c});
            }
        }
        workgroupBarrier();
    }
    #unroll r in 0..2 {
        #unroll c in 0..2 {
            coopStoreT(sum{r}{c}, &patches[subgroup * SIDE * SIDE], SIDE);
            workgroupBarrier();
            for (var i = lane; i < SIDE * SIDE; i += lanes) {
                let at = vec2<u32>(row + first_row + {r}u * SIDE + i / SIDE, column + first_column + {c}u * SIDE + i % SIDE);
                if (at.x < params.m && at.y < params.n) {
                    y[(part * params.m + at.x) * params.n + at.y] = result(patches[subgroup * SIDE * SIDE + i] + start(at.y));
                }
            }
            workgroupBarrier();
        }
    }
}
