// What the attention kernels share: parameters, where a row's sequence lies, and dropout.

// t rows of h columns in `heads` heads of d; `scale` is 1 / sqrt(d). Dropout keeps what reaches `threshold`, times
// `factor`; its mask has `words` words for each row and head. A row sees `window` rows to each side.
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
    window: u32,
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

/// The part of its sequence that a row sees, and that sees it: the first row, and one past the last.
fn seen_by(row: u32, sequence: vec2<u32>) -> vec2<u32> {
    let reach = min(params.window, params.t);
    return vec2<u32>(max(sequence.x, row - min(row, reach)), min(sequence.y, row + reach + 1u));
}

/// Where row i's word for key j lies in the mask: key j is bit j % 32, and the first word is that of the first key.
fn mask_word(i: u32, head: u32, j: u32, start: u32) -> u32 {
    return (i * params.heads + head) * params.words + j / 32u - start / 32u;
}

/// Where row i's two statistics lie behind the mask.
fn statistics_of(i: u32, head: u32) -> u32 {
    return params.t * params.heads * params.words + 2u * (i * params.heads + head);
}

/// What a mask word multiplies the probability of key j by.
fn kept(word: u32, j: u32) -> f32 {
    return select(0.0, params.factor, (word >> (j % 32u) & 1u) == 1u);
}
