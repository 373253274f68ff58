// The first operand of `matmul_lanes`, row by row.

/// Rows of a (m, k), every eighth from this lane's; k is a multiple of four.
fn load_a(row: u32, k: u32, lane: u32) -> Rows {
    let quads = params.k / 4u;
    var p: Rows;
    #unroll i in 0..8 {
        p.a{i} = vec4<f32>(a[min(row + lane + 8u * {i}u, params.m - 1u) * quads + k / 4u]);
    }
    return p;
}

fn row_of(i: u32, lane: u32) -> u32 {
    return 8u * i + lane;
}
