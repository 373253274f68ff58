// a (m, k) times b (k, n), by subgroups of eight lanes; k is a multiple of four.
#import matmul_lanes
#import lanes_rows

fn load_b(column: u32, k: u32) -> Columns {
    let width = params.n / 4u;
    var p: Columns;
    #unroll i in 0..4 {
        p.b{i} = vec4<f32>(b[(k + {i}u) * width + column]);
    }
    return p;
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
