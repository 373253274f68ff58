// The affine map of a layer: x times the transposed weight, plus a bias; by cooperative matrices of 16 x 16.
#import cooperative16
#import cooperative_tile

@group(0) @binding(3) var<storage, read> bias: array<f32>; // (n)

fn start(column: u32) -> f32 {
    return bias[column];
}
