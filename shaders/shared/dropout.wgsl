// What dropout leaves of four elements: each is 0 or scaled, by one word of Philox. The
// file that imports this has the rate and the randomness in its `Params`.
#import philox

// The elements from 4 i on.
fn dropped(x: vec4<f32>, i: u32) -> vec4<f32> {
    let key = vec2<u32>(params.key_low, params.key_high);
    let words = philox(vec4<u32>(i, 0u, params.step, params.stream), key);
    return select(vec4<f32>(0.0), x * params.factor, words >= vec4<u32>(params.threshold));
}
