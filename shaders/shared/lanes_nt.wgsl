// Blocks of a (m, k) and b (n, k), for `matmul_lanes`; k is a multiple of four.
#import lanes_rows

fn load_b(column: u32, k: u32) -> Columns {
    let quads = params.k / 4u;
    #unroll i in 0..4 {
        let b{i} = vec4<f32>(b[(column * 4u + {i}u) * quads + k / 4u]);
    }
    var p: Columns;
    p.b0 = vec4<f32>(b0.x, b1.x, b2.x, b3.x);
    p.b1 = vec4<f32>(b0.y, b1.y, b2.y, b3.y);
    p.b2 = vec4<f32>(b0.z, b1.z, b2.z, b3.z);
    p.b3 = vec4<f32>(b0.w, b1.w, b2.w, b3.w);
    return p;
}
