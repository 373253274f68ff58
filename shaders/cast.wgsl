// The same numbers, stored otherwise.
#import unary

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

fn f(x: vec4<f32>) -> vec4<f32> {
    return x;
}
