// Matrix products with either operand transposed.
#import matmul_tile

fn start(column: u32) -> f32 {
    return 0.0;
}
