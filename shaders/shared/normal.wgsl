// The normal distribution, for GELU.

const INV_SQRT_2 = 0.70710678;
const INV_SQRT_TAU = 0.39894228;

/// The normal distribution at x, given exp(-x * x / 2): Abramowitz & Stegun 7.1.26, within 3e-7.
fn cdf(x: vec4<f32>, bell: vec4<f32>) -> vec4<f32> {
    let t = 1.0 / (1.0 + 0.3275911 * INV_SQRT_2 * abs(x));
    let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    let tail = 0.5 * series * bell;
    return select(tail, 1.0 - tail, x >= vec4<f32>(0.0));
}
