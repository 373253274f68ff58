// a (k, m) transposed times b (k, n), by subgroups of eight lanes; m is a multiple of four.
#import matmul_lanes

/// Two groups of four rows: this lane's, and the one 32 rows further.
fn load_a(row: u32, k: u32, lane: u32) -> Rows {
    let height = params.m / 4u;
    var p: Rows;
    #unroll g in 0..2 {
        let quad{g} = min(row / 4u + lane + 8u * {g}u, height - 1u);
        #unroll i in 0..4 {
        let a{g}_{i} = vec4<f32>(a[min(k + {i}u, params.k - 1u) * height + quad{g}]);
        }
    }
    p.a0 = vec4<f32>(a0_0.x, a0_1.x, a0_2.x, a0_3.x);
    p.a1 = vec4<f32>(a0_0.y, a0_1.y, a0_2.y, a0_3.y);
    p.a2 = vec4<f32>(a0_0.z, a0_1.z, a0_2.z, a0_3.z);
    p.a3 = vec4<f32>(a0_0.w, a0_1.w, a0_2.w, a0_3.w);
    p.a4 = vec4<f32>(a1_0.x, a1_1.x, a1_2.x, a1_3.x);
    p.a5 = vec4<f32>(a1_0.y, a1_1.y, a1_2.y, a1_3.y);
    p.a6 = vec4<f32>(a1_0.z, a1_1.z, a1_2.z, a1_3.z);
    p.a7 = vec4<f32>(a1_0.w, a1_1.w, a1_2.w, a1_3.w);
    return p;
}

/// Zeros past the end of k.
fn load_b(column: u32, k: u32) -> Columns {
    let width = params.n / 4u;
    var p: Columns;
    #unroll i in 0..4 {
        let b{i} = vec4<f32>(b[min(k + {i}u, params.k - 1u) * width + column]);
        p.b{i} = select(vec4<f32>(0.0), b{i}, k + {i}u < params.k);
    }
    return p;
}

fn row_of(i: u32, lane: u32) -> u32 {
    return 32u * (i / 4u) + 4u * lane + i % 4u;
}

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
