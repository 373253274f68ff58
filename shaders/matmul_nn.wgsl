// a (m, k) times b (k, n), by subgroups of eight lanes; k is a multiple of four.
#import matmul_lanes

fn load(row: u32, column: u32, k: u32, lane: u32) -> Loaded {
    let quads = params.k / 4u;
    let width = params.n / 4u;
    var p: Loaded;
    #unroll i in 0..4 {
        p.a{i} = a[min(row + lane + 8u * {i}u, params.m - 1u) * quads + k / 4u];
        p.b{i} = b[(k + {i}u) * width + column];
    }
    return p;
}

fn row_of(i: u32, lane: u32) -> u32 {
    return 8u * i + lane;
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
