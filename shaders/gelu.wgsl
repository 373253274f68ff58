// GELU in its exact form, x * Phi(x). Each invocation computes four elements.
#import normal
#import unary
#import backward

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

fn f(x: vec4<f32>) -> vec4<f32> {
    return x * cdf(x, exp(-0.5 * x * x));
}

fn df(x: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    let bell = exp(-0.5 * x * x);
    return g * (cdf(x, bell) + x * INV_SQRT_TAU * bell);
}
