// a (k, m) transposed times b (k, n), by subgroups of eight lanes; m is a multiple of four.
#import matmul_lanes

fn load(row: u32, column: u32, k: u32, lane: u32) -> Loaded {
    let height = params.m / 4u;
    let width = params.n / 4u;
    let quad = min(row / 4u + lane, height - 1u);
    var p: Loaded;
    #unroll i in 0..4 {
        let at{i} = min(k + {i}u, params.k - 1u);
        let a{i} = a[at{i} * height + quad];
        p.b{i} = select(vec4<f32>(0.0), b[at{i} * width + column], k + {i}u < params.k);
    }
    p.a0 = vec4<f32>(a0.x, a1.x, a2.x, a3.x);
    p.a1 = vec4<f32>(a0.y, a1.y, a2.y, a3.y);
    p.a2 = vec4<f32>(a0.z, a1.z, a2.z, a3.z);
    p.a3 = vec4<f32>(a0.w, a1.w, a2.w, a3.w);
    return p;
}

fn row_of(i: u32, lane: u32) -> u32 {
    return 4u * lane + i;
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
