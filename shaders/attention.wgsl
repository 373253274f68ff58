// Attention within each sequence of a packed batch, for any width of a head. Each invocation of a workgroup of 64 takes
// one row and head, and walks over its sequence for each 32 columns, whose sums it holds in registers; nothing of the size
// of the scores is stored. Products of a row go in steps of four: Mesa's software driver leaves a shader's loops, without a
// word, after 65,535 turns of all of them together, which 256 tokens of 64 columns one by one exceed.
#import attention_rows
#import stored
#import result

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (t, h); backward: (3 t, h)
@group(0) @binding(1) var<storage, read> query: array<stored>; // (t, h)
@group(0) @binding(2) var<storage, read> key: array<stored>; // (t, h)
@group(0) @binding(3) var<storage, read> value: array<stored>; // (t, h)
@group(0) @binding(4) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(5) var<storage, read> saved: array<u32>; // the mask (t, heads, words), then (t, heads, 2)
@group(0) @binding(6) var<storage, read> grad: array<stored>; // (t, h)

/// Where a row's part for a head begins.
fn part(row: u32, head: u32) -> u32 {
    return row * params.h + head * params.d;
}

fn score(i: u32, j: u32, head: u32) -> f32 {
    let a = part(i, head);
    let b = part(j, head);
    var sum = 0.0;
    var c = 0u;
    for (; c + 3u < params.d; c += 4u) {
        #unroll q in 0..4 {
        sum += f32(query[a + c + {q}u]) * f32(key[b + c + {q}u]);
        }
    }
    for (; c < params.d; c++) {
        sum += f32(query[a + c]) * f32(key[b + c]);
    }
    return sum * params.scale;
}

/// The gradient of the probability with which i attends to j, dropout aside.
fn dprobability(i: u32, j: u32, head: u32) -> f32 {
    let a = part(i, head);
    let b = part(j, head);
    var sum = 0.0;
    var c = 0u;
    for (; c + 3u < params.d; c += 4u) {
        #unroll q in 0..4 {
        sum += f32(grad[a + c + {q}u]) * f32(value[b + c + {q}u]);
        }
    }
    for (; c < params.d; c++) {
        sum += f32(grad[a + c]) * f32(value[b + c]);
    }
    return sum;
}

// y = softmax(q k^T / sqrt(d)) v, once over the scores for their maximum and sum, and once for the values.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let i = index / params.heads * 64u + lane;
    let head = index % params.heads;
    if (i >= params.t) {
        return;
    }
    let rows = sequence_of(i);
    let seen = seen_by(i, rows);
    var most = LOWEST;
    var sum = 0.0;
    for (var j = seen.x; j < seen.y; j++) {
        let s = score(i, j, head);
        let top = max(most, s);
        sum = sum * exp(most - top) + exp(s - top);
        most = top;
    }
    for (var first = 0u; first < params.d; first += 32u) {
        #unroll c in 0..32 {
        var sum{c} = 0.0;
        }
        for (var j = seen.x; j < seen.y; j++) {
            let word = saved[mask_word(i, head, j, rows.x)];
            let p = kept(word, j) * exp(score(i, j, head) - most) / sum;
            let source = part(j, head);
            #unroll c in 0..32 {
            sum{c} += p * f32(value[source + min(first + {c}u, params.d - 1u)]);
            }
        }
        #unroll c in 0..32 {
        if (first + {c}u < params.d) {
            y[part(i, head) + first + {c}u] = result(sum{c});
        }
        }
    }
}

@group(0) @binding(5) var<storage, read_write> saving: array<u32>; // as `saved`

// Saves for each row and head the logarithm of the sum of exponentials, and D = sum(P dP).
@compute @workgroup_size(64)
fn statistics(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let i = index / params.heads * 64u + lane;
    let head = index % params.heads;
    if (i >= params.t) {
        return;
    }
    let rows = sequence_of(i);
    let seen = seen_by(i, rows);
    var most = LOWEST;
    var sum = 0.0;
    var inner = 0.0;
    for (var j = seen.x; j < seen.y; j++) {
        let s = score(i, j, head);
        let dp = kept(saving[mask_word(i, head, j, rows.x)], j) * dprobability(i, j, head);
        let top = max(most, s);
        let shrink = exp(most - top);
        let e = exp(s - top);
        sum = sum * shrink + e;
        inner = inner * shrink + e * dp;
        most = top;
    }
    let at = statistics_of(i, head);
    saving[at] = bitcast<u32>(most + log(sum));
    saving[at + 1u] = bitcast<u32>(inner / sum);
}

/// For query i and key j of one head: the probability, dropped or not, and the gradient of the score.
fn gradients(i: u32, j: u32, head: u32, start: u32) -> vec2<f32> {
    let at = statistics_of(i, head);
    let mask = kept(saved[mask_word(i, head, j, start)], j);
    let p = exp(score(i, j, head) - bitcast<f32>(saved[at]));
    let ds = p * (mask * dprobability(i, j, head) - bitcast<f32>(saved[at + 1u]));
    return vec2<f32>(p * mask, ds * params.scale);
}

// dq = dS k, with dS = P (dP - D) / sqrt(d).
@compute @workgroup_size(64)
fn dquery(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let i = index / params.heads * 64u + lane;
    let head = index % params.heads;
    if (i >= params.t) {
        return;
    }
    let rows = sequence_of(i);
    let seen = seen_by(i, rows);
    for (var first = 0u; first < params.d; first += 32u) {
        #unroll c in 0..32 {
        var sum{c} = 0.0;
        }
        for (var j = seen.x; j < seen.y; j++) {
            let ds = gradients(i, j, head, rows.x).y;
            let source = part(j, head);
            #unroll c in 0..32 {
            sum{c} += ds * f32(key[source + min(first + {c}u, params.d - 1u)]);
            }
        }
        #unroll c in 0..32 {
        if (first + {c}u < params.d) {
            y[part(i, head) + first + {c}u] = result(sum{c});
        }
        }
    }
}

// dk = dS^T q and dv = (P M)^T grad, each invocation one key.
@compute @workgroup_size(64)
fn dkey_dvalue(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let j = index / params.heads * 64u + lane;
    let head = index % params.heads;
    if (j >= params.t) {
        return;
    }
    let rows = sequence_of(j);
    let seen = seen_by(j, rows);
    for (var first = 0u; first < params.d; first += 32u) {
        #unroll c in 0..32 {
        var dk{c} = 0.0;
        var dv{c} = 0.0;
        }
        for (var i = seen.x; i < seen.y; i++) {
            let g = gradients(i, j, head, rows.x);
            let source = part(i, head);
            #unroll c in 0..32 {
            dk{c} += g.y * f32(query[source + min(first + {c}u, params.d - 1u)]);
            dv{c} += g.x * f32(grad[source + min(first + {c}u, params.d - 1u)]);
            }
        }
        #unroll c in 0..32 {
        if (first + {c}u < params.d) {
            y[part(params.t + j, head) + first + {c}u] = result(dk{c});
            y[part(2u * params.t + j, head) + first + {c}u] = result(dv{c});
        }
        }
    }
}
