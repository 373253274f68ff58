// Sums of a product start at a bias.

@group(0) @binding(3) var<storage, read> bias: array<f32>; // (n)

fn start(column: u32) -> f32 {
    return bias[column];
}
