// Operands of a product in any layout: elements lie at a[row * a_row + k * a_k] and b[k * b_k + column * b_column].
#import stored
#import result

struct Params { m: u32, n: u32, k: u32, a_row: u32, a_k: u32, b_k: u32, b_column: u32, k_part: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (parts, m, n)
@group(0) @binding(1) var<storage, read> a: array<stored>;
@group(0) @binding(2) var<storage, read> b: array<stored>;

fn a_at(row: u32, k: u32, end: u32) -> f32 {
    if (row < params.m && k < end) {
        return f32(a[row * params.a_row + k * params.a_k]);
    }
    return 0.0;
}

fn b_at(k: u32, column: u32, end: u32) -> f32 {
    if (column < params.n && k < end) {
        return f32(b[k * params.b_k + column * params.b_column]);
    }
    return 0.0;
}
