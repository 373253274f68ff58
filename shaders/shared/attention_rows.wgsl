// What the attention kernels share: parameters, where a row's sequence lies, and dropout.
#import philox

// t rows of h columns in `heads` heads of d; `scale` is 1 / sqrt(d). Dropout keeps what reaches `threshold`, times
// `factor`. `words` is the number of mask words per row and head.
struct Params {
    t: u32,
    h: u32,
    d: u32,
    heads: u32,
    segments: u32,
    words: u32,
    scale: f32,
    threshold: u32,
    factor: f32,
    step: u32,
    stream: u32,
    key_low: u32,
    key_high: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

/// The rows of the sequence that a row belongs to: the first, and one past the last.
fn sequence_of(row: u32) -> vec2<u32> {
    var low = 0u;
    var high = params.segments;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (offsets[middle] <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return vec2<u32>(offsets[low], offsets[low + 1u]);
}

/// Which of the probabilities 4 block .. 4 block + 4 of a row and head are kept.
fn kept(block: u32, place: u32) -> vec4<bool> {
    if (params.threshold == 0u) {
        return vec4<bool>(true);
    }
    let key = vec2<u32>(params.key_low, params.key_high);
    let words = philox(vec4<u32>(block, place, params.step, params.stream), key);
    return words >= vec4<u32>(params.threshold);
}
