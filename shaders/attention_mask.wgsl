// The mask of attention's dropout as bits. Each invocation of a workgroup of 64 draws the 32 bits of one word.
#import attention_rows
#import philox

@group(0) @binding(0) var<storage, read_write> mask: array<u32>; // (t, heads, words)
@group(0) @binding(1) var<storage, read> offsets: array<u32>; // (s + 1)

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    let place = index / params.words;
    if (place < params.t * params.heads) {
        let rows = sequence_of(place / params.heads);
        let base = (rows.x / 32u + index % params.words) * 32u;
        let key = vec2<u32>(params.key_low, params.key_high);
        var words = vec4<u32>(0u);
        var block = 0xffffffffu;
        var bits = 0u;
        let end = select(min(base + 32u, rows.y), 0u, params.threshold == 0u);
        for (var j = max(base, rows.x); j < end; j++) {
            let column = j - rows.x;
            if (column / 4u != block) {
                block = column / 4u;
                words = philox(vec4<u32>(block, place, params.step, params.stream), key);
            }
            bits |= select(0u, 1u << (j % 32u), words[column % 4u] >= params.threshold);
        }
        mask[index] = select(bits, 0xffffffffu, params.threshold == 0u);
    }
}
