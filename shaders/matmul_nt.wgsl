// a (m, k) times b (n, k) transposed, by subgroups of eight lanes.
#import matmul_lanes
#import lanes_nt

fn start(column: u32) -> vec4<f32> {
    return vec4<f32>(0.0);
}
