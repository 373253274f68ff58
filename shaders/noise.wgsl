// Random numbers by Philox. Each invocation makes four, from one block of four words.
#import quads
#import philox

struct Params { n: u32, scale: f32, step: u32, stream: u32, key_low: u32, key_high: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>; // (n)

fn draw(i: u32) -> vec4<f32> {
    let key = vec2<u32>(params.key_low, params.key_high);
    return unit(philox(vec4<u32>(i, 0u, params.step, params.stream), key));
}

/// ln(x) for normal positive numbers within a few ulp; the built-in one is coarse near 1.
fn ln(x: vec2<f32>) -> vec2<f32> {
    let bits = bitcast<vec2<u32>>(x) - 0x3f3504f3u; // the mantissa lands in [sqrt(1/2), sqrt(2))
    let exponent = vec2<f32>(bitcast<vec2<i32>>(bits) >> vec2<u32>(23u));
    let m = bitcast<vec2<f32>>((bits & vec2<u32>(0x007fffffu)) + 0x3f3504f3u);
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    return exponent * 0.69314718 + 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q / 9.0))));
}

/// (cos, sin) of a full turn times u, for u in [0, 1).
fn turn(u: f32) -> vec2<f32> {
    let quarter = round(4.0 * u);
    let a = 6.2831853 * (u - 0.25 * quarter); // within an eighth of a turn
    let q = a * a;
    let sin = a * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let cos = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0)));
    let k = u32(quarter) & 3u;
    let swapped = select(vec2<f32>(cos, sin), vec2<f32>(sin, cos), (k & 1u) == 1u);
    return select(swapped, -swapped, vec2<bool>(k == 1u || k == 2u, k >= 2u));
}

// Normal numbers: sqrt(-2 ln(1 - u)) (cos, sin)(2 pi v) (Box & Muller, 1958).
@compute @workgroup_size(64)
fn gaussian(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        let u = draw(i);
        let radius = sqrt(-2.0 * ln(1.0 - u.xz));
        y[i] = params.scale * vec4<f32>(radius.x * turn(u.y), radius.y * turn(u.w));
    }
}

// Uniform numbers in [-scale, scale].
@compute @workgroup_size(64)
fn uniform_noise(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        y[i] = params.scale * (2.0 * draw(i) - 1.0);
    }
}
