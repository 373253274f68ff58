// x (t, in) times weight (out, in) transposed, plus a bias, by subgroups of eight lanes.
#import matmul_lanes
#import lanes_nt

@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>; // (n)

fn start(column: u32) -> vec4<f32> {
    return bias[column];
}
