// Philox4x32-10 (Salmon et al., 2011), as in src/rng.rs.

/// The upper half of a * b.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let b_low = b & 0xffffu;
    let a_high = a >> 16u;
    let b_high = b >> 16u;
    let cross = a_high * b_low;
    let other = a_low * b_high;
    let carry = ((a_low * b_low) >> 16u) + (cross & 0xffffu) + (other & 0xffffu);
    return a_high * b_high + (cross >> 16u) + (other >> 16u) + (carry >> 16u);
}

fn philox_round(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    return vec4<u32>(
        multiply_high(0xCD9E8D57u, c.z) ^ c.y ^ key.x,
        0xCD9E8D57u * c.z,
        multiply_high(0xD2511F53u, c.x) ^ c.w ^ key.y,
        0xD2511F53u * c.x,
    );
}

/// Four random words for a counter under a key.
fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let weyl = vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    var c = counter;
    #unroll i in 0..10 {
        c = philox_round(c, key + {i}u * weyl);
    }
    return c;
}

/// Random words as numbers in [0, 1): their upper 24 bits.
fn unit(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(words >> vec4<u32>(8u)) * (1.0 / 16777216.0);
}
