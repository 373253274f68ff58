// Matrix products with either operand transposed, by cooperative matrices of 16 x 16.
#import cooperative16
#import cooperative_tile

fn start(column: u32) -> f32 {
    return 0.0;
}
