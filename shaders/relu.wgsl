// The rectifier, max(x, 0). Each invocation computes four elements.
#import unary
#import backward

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

/// What is not a number stays so: it is not below 0.
fn f(x: vec4<f32>) -> vec4<f32> {
    return select(x, vec4<f32>(0.0), x <= vec4<f32>(0.0));
}

fn df(x: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), g, x > vec4<f32>(0.0));
}
