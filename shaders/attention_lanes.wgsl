// Attention for drivers that run on the processor with vector units of eight lanes as subgroups, for heads of up to 64
// columns in groups of four. A workgroup is one subgroup and takes eight rows of one head, which each lane holds in
// registers. The rows of the other side come eight at a time: each lane loads one, and broadcasts fan them out, since
// loads are what costs there. Formulas as in `attention`.
#import attention_rows
#import stored
#import result

@group(0) @binding(0) var<storage, read_write> y: array<vec4<result>>; // (t, h); backward: (3 t, h)
@group(0) @binding(1) var<storage, read> query: array<vec4<stored>>; // (t, h)
@group(0) @binding(2) var<storage, read> key: array<vec4<stored>>; // (t, h)
@group(0) @binding(3) var<storage, read> value: array<vec4<stored>>; // (t, h)
@group(0) @binding(4) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(5) var<storage, read> saved: array<u32>; // the mask (t, heads, words), then (t, heads, 2)
@group(0) @binding(5) var<storage, read_write> saving: array<u32>; // as `saved`
@group(0) @binding(6) var<storage, read> grad: array<vec4<stored>>; // (t, h)

/// The largest of eight.
fn max8(a: vec4<f32>, b: vec4<f32>) -> f32 {
    let c = max(a, b);
    return max(max(c.x, c.y), max(c.z, c.w));
}

// y = softmax(q k^T / sqrt(d)) v, with a running maximum and sum.
@compute @workgroup_size(8)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let row = index / params.heads * 8u + lane;
    let head = index % params.heads;
    let own = min(row, params.t - 1u);
    let rows = sequence_of(own);
    let seen = seen_by(own, rows);
    let quads = params.d / 4u;
    let width = params.h / 4u;
    let column = head * quads;
    #unroll c in 0..16 {
    let own_q{c} = params.scale * vec4<f32>(query[own * width + column + min({c}u, quads - 1u)]);
    let q{c} = select(vec4<f32>(0.0), own_q{c}, {c}u < quads);
    }
    #unroll c in 0..16 {
    var acc{c} = vec4<f32>(0.0);
    }
    var most = LOWEST;
    var sum = 0.0;
    let end = subgroupBroadcast(seen.y, 7u);
    // Groups are aligned, so that the mask of one lies in one word.
    for (var j = subgroupBroadcast(seen.x, 0u) / 8u * 8u; j < end; j += 8u) {
        let mine = min(j + lane, params.t - 1u) * width + column;
        #unroll l in 0..8 {
        let inside{l} = j + {l}u >= seen.x && j + {l}u < seen.y;
        }
        #unroll l in 0..8 {
        var s{l} = 0.0;
        }
        #unroll c in 0..16 {
            let k{c} = vec4<f32>(key[mine + min({c}u, quads - 1u)]);
            #unroll l in 0..8 {
            s{l} += dot(q{c}, subgroupBroadcast(k{c}, {l}u));
            }
        }
        #unroll l in 0..8 {
        s{l} = select(LOWEST, s{l}, inside{l});
        }
        let top = max(most, max8(vec4<f32>(s0, s1, s2, s3), vec4<f32>(s4, s5, s6, s7)));
        let shrink = exp(most - top);
        most = top;
        sum *= shrink;
        #unroll l in 0..8 {
        let e{l} = select(0.0, exp(s{l} - top), inside{l});
        sum += e{l};
        }
        let word = saved[mask_word(own, head, clamp(j, rows.x, rows.y - 1u), rows.x)];
        #unroll l in 0..8 {
        let p{l} = e{l} * kept(word, j + {l}u);
        }
        #unroll c in 0..16 {
            let v{c} = vec4<f32>(value[mine + min({c}u, quads - 1u)]);
            var next{c} = acc{c} * shrink;
            #unroll l in 0..8 {
            next{c} += p{l} * subgroupBroadcast(v{c}, {l}u);
            }
            acc{c} = next{c};
        }
    }
    #unroll c in 0..16 {
    if (row < params.t && {c}u < quads) {
        y[row * width + column + {c}u] = vec4<result>(acc{c} / sum);
    }
    }
}

// dq = sum(P dP k) - D sum(P k), over sqrt(d), and D = sum(P dP); all of it in one pass with a running maximum. Saves D
// and the logarithm of the sum of exponentials.
@compute @workgroup_size(8)
fn dquery(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let row = index / params.heads * 8u + lane;
    let head = index % params.heads;
    let own = min(row, params.t - 1u);
    let rows = sequence_of(own);
    let seen = seen_by(own, rows);
    let quads = params.d / 4u;
    let width = params.h / 4u;
    let column = head * quads;
    #unroll c in 0..16 {
    let own_q{c} = params.scale * vec4<f32>(query[own * width + column + min({c}u, quads - 1u)]);
    let q{c} = select(vec4<f32>(0.0), own_q{c}, {c}u < quads);
    let own_g{c} = vec4<f32>(grad[own * width + column + min({c}u, quads - 1u)]);
    let g{c} = select(vec4<f32>(0.0), own_g{c}, {c}u < quads);
    }
    #unroll c in 0..16 {
    var steep{c} = vec4<f32>(0.0);
    var flat{c} = vec4<f32>(0.0);
    }
    var most = LOWEST;
    var sum = 0.0;
    var inner = 0.0;
    let end = subgroupBroadcast(seen.y, 7u);
    // Groups are aligned, so that the mask of one lies in one word.
    for (var j = subgroupBroadcast(seen.x, 0u) / 8u * 8u; j < end; j += 8u) {
        let mine = min(j + lane, params.t - 1u) * width + column;
        #unroll l in 0..8 {
        let inside{l} = j + {l}u >= seen.x && j + {l}u < seen.y;
        }
        #unroll l in 0..8 {
        var s{l} = 0.0;
        }
        #unroll l in 0..8 {
        var dp{l} = 0.0;
        }
        #unroll c in 0..16 {
            let k{c} = vec4<f32>(key[mine + min({c}u, quads - 1u)]);
            let v{c} = vec4<f32>(value[mine + min({c}u, quads - 1u)]);
            #unroll l in 0..8 {
            s{l} += dot(q{c}, subgroupBroadcast(k{c}, {l}u));
            dp{l} += dot(g{c}, subgroupBroadcast(v{c}, {l}u));
            }
        }
        #unroll l in 0..8 {
        s{l} = select(LOWEST, s{l}, inside{l});
        }
        let top = max(most, max8(vec4<f32>(s0, s1, s2, s3), vec4<f32>(s4, s5, s6, s7)));
        let shrink = exp(most - top);
        most = top;
        sum *= shrink;
        #unroll l in 0..8 {
        let e{l} = select(0.0, exp(s{l} - top), inside{l});
        sum += e{l};
        }
        let word = saving[mask_word(own, head, clamp(j, rows.x, rows.y - 1u), rows.x)];
        inner *= shrink;
        #unroll l in 0..8 {
        let f{l} = e{l} * kept(word, j + {l}u) * dp{l};
        inner += f{l};
        }
        #unroll c in 0..16 {
            let n{c} = vec4<f32>(key[mine + min({c}u, quads - 1u)]);
            var slope{c} = steep{c} * shrink;
            var level{c} = flat{c} * shrink;
            #unroll l in 0..8 {
            slope{c} += f{l} * subgroupBroadcast(n{c}, {l}u);
            level{c} += e{l} * subgroupBroadcast(n{c}, {l}u);
            }
            steep{c} = slope{c};
            flat{c} = level{c};
        }
    }
    let d = inner / sum;
    #unroll c in 0..16 {
    if (row < params.t && {c}u < quads) {
        y[row * width + column + {c}u] = vec4<result>(params.scale / sum * (steep{c} - d * flat{c}));
    }
    }
    if (row < params.t) {
        saving[statistics_of(row, head)] = bitcast<u32>(most + log(sum));
        saving[statistics_of(row, head) + 1u] = bitcast<u32>(d);
    }
}

// dk = dS^T q and dv = (P M)^T grad, for one key; here the eight rows are queries.
@compute @workgroup_size(8)
fn dkey_dvalue(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let row = index / params.heads * 8u + lane;
    let head = index % params.heads;
    let own = min(row, params.t - 1u);
    let rows = sequence_of(own);
    let seen = seen_by(own, rows);
    let quads = params.d / 4u;
    let width = params.h / 4u;
    let column = head * quads;
    #unroll c in 0..16 {
    let own_k{c} = params.scale * vec4<f32>(key[own * width + column + min({c}u, quads - 1u)]);
    let k{c} = select(vec4<f32>(0.0), own_k{c}, {c}u < quads);
    let own_v{c} = vec4<f32>(value[own * width + column + min({c}u, quads - 1u)]);
    let v{c} = select(vec4<f32>(0.0), own_v{c}, {c}u < quads);
    }
    #unroll c in 0..16 {
    var dk{c} = vec4<f32>(0.0);
    var dv{c} = vec4<f32>(0.0);
    }
    let end = subgroupBroadcast(seen.y, 7u);
    // Groups are aligned, so that the mask of one lies in one word.
    for (var j = subgroupBroadcast(seen.x, 0u) / 8u * 8u; j < end; j += 8u) {
        let mine = min(j + lane, params.t - 1u) * width + column;
        #unroll l in 0..8 {
        let inside{l} = j + {l}u >= seen.x && j + {l}u < seen.y;
        }
        let query_row = min(j + lane, params.t - 1u);
        let at = statistics_of(query_row, head);
        let logarithm = bitcast<f32>(saved[at]);
        let d = bitcast<f32>(saved[at + 1u]);
        // The workgroup's keys lie in one word of a query's mask; it may not be of this lane's sequence.
        let start = min(sequence_of(query_row).x, own);
        let word = saved[min(mask_word(query_row, head, own, start), statistics_of(0u, 0u) - 1u)];
        #unroll l in 0..8 {
        var s{l} = 0.0;
        }
        #unroll l in 0..8 {
        var dp{l} = 0.0;
        }
        #unroll c in 0..16 {
            let q{c} = vec4<f32>(query[mine + min({c}u, quads - 1u)]);
            let g{c} = vec4<f32>(grad[mine + min({c}u, quads - 1u)]);
            #unroll l in 0..8 {
            s{l} += dot(k{c}, subgroupBroadcast(q{c}, {l}u));
            dp{l} += dot(v{c}, subgroupBroadcast(g{c}, {l}u));
            }
        }
        #unroll l in 0..8 {
        let mask{l} = kept(subgroupBroadcast(word, {l}u), own);
        let e{l} = select(0.0, exp(s{l} - subgroupBroadcast(logarithm, {l}u)), inside{l});
        let p{l} = e{l} * mask{l};
        let ds{l} = e{l} * (mask{l} * dp{l} - subgroupBroadcast(d, {l}u));
        }
        #unroll c in 0..16 {
            let m{c} = vec4<f32>(query[mine + min({c}u, quads - 1u)]);
            let n{c} = vec4<f32>(grad[mine + min({c}u, quads - 1u)]);
            var to_key{c} = dk{c};
            var to_value{c} = dv{c};
            #unroll l in 0..8 {
            to_key{c} += ds{l} * subgroupBroadcast(m{c}, {l}u);
            to_value{c} += p{l} * subgroupBroadcast(n{c}, {l}u);
            }
            dk{c} = to_key{c};
            dv{c} = to_value{c};
        }
    }
    #unroll c in 0..16 {
    if (row < params.t && {c}u < quads) {
        y[(params.t + row) * width + column + {c}u] = vec4<result>(params.scale * dk{c});
        y[(2u * params.t + row) * width + column + {c}u] = vec4<result>(dv{c});
    }
    }
}
