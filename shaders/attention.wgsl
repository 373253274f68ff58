// Attention within each sequence of a packed batch, for any width of a head. Each invocation of a workgroup of 64 takes
// one row and head, and walks over its sequence; nothing of the size of the scores is stored.
#import attention_rows

@group(0) @binding(0) var<storage, read_write> y: array<f32>; // (t, h); backward: (3 t, h)
@group(0) @binding(1) var<storage, read> query: array<f32>; // (t, h)
@group(0) @binding(2) var<storage, read> key: array<f32>; // (t, h)
@group(0) @binding(3) var<storage, read> value: array<f32>; // (t, h)
@group(0) @binding(4) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(5) var<storage, read> grad: array<f32>; // (t, h)

/// Where a row's part for a head begins.
fn part(row: u32, head: u32) -> u32 {
    return row * params.h + head * params.d;
}

fn score(i: u32, j: u32, head: u32) -> f32 {
    let a = part(i, head);
    let b = part(j, head);
    var sum = 0.0;
    for (var c = 0u; c < params.d; c++) {
        sum += query[a + c] * key[b + c];
    }
    return sum * params.scale;
}

/// The gradient of the probability with which i attends to j, dropout aside.
fn dprobability(i: u32, j: u32, head: u32) -> f32 {
    let a = part(i, head);
    let b = part(j, head);
    var sum = 0.0;
    for (var c = 0u; c < params.d; c++) {
        sum += grad[a + c] * value[b + c];
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
    var most = LOWEST;
    var sum = 0.0;
    for (var j = rows.x; j < rows.y; j++) {
        let s = score(i, j, head);
        let top = max(most, s);
        sum = sum * exp(most - top) + exp(s - top);
        most = top;
    }
    let out = part(i, head);
    for (var c = 0u; c < params.d; c++) {
        y[out + c] = 0.0;
    }
    var keep = vec4<bool>(true);
    for (var j = rows.x; j < rows.y; j++) {
        let column = j - rows.x;
        if (column % 4u == 0u) {
            keep = kept(column / 4u, i * params.heads + head);
        }
        let p = select(0.0, params.factor * exp(score(i, j, head) - most) / sum, keep[column % 4u]);
        let source = part(j, head);
        for (var c = 0u; c < params.d; c++) {
            y[out + c] += p * value[source + c];
        }
    }
}

// For each row and head the logarithm L of the sum of exponentials, D = sum(P dP), and the mask as bits.
@group(0) @binding(0) var<storage, read_write> saving: array<u32>; // (t, heads, 2), then (t, heads, words)

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
    let place = i * params.heads + head;
    var most = LOWEST;
    var sum = 0.0;
    var inner = 0.0;
    var bits = 0u;
    var keep = vec4<bool>(true);
    for (var j = rows.x; j < rows.y; j++) {
        let column = j - rows.x;
        if (column % 4u == 0u) {
            keep = kept(column / 4u, place);
        }
        let s = score(i, j, head);
        let dp = select(0.0, params.factor * dprobability(i, j, head), keep[column % 4u]);
        let top = max(most, s);
        let shrink = exp(most - top);
        let e = exp(s - top);
        sum = sum * shrink + e;
        inner = inner * shrink + e * dp;
        most = top;
        bits |= select(0u, 1u << (column % 32u), keep[column % 4u]);
        if (column % 32u == 31u || j + 1u == rows.y) {
            saving[2u * params.t * params.heads + place * params.words + column / 32u] = bits;
            bits = 0u;
        }
    }
    saving[2u * place] = bitcast<u32>(most + log(sum));
    saving[2u * place + 1u] = bitcast<u32>(inner / sum);
}

@group(0) @binding(6) var<storage, read> saved: array<u32>; // as `saving`

/// For query i and key j of one head: the probability, dropped or not, and the gradient of the score.
fn gradients(i: u32, j: u32, head: u32, start: u32) -> vec2<f32> {
    let place = i * params.heads + head;
    let column = j - start;
    let word = saved[2u * params.t * params.heads + place * params.words + column / 32u];
    let mask = select(0.0, params.factor, (word >> (column % 32u) & 1u) == 1u);
    let p = exp(score(i, j, head) - bitcast<f32>(saved[2u * place]));
    let dp = mask * dprobability(i, j, head);
    return vec2<f32>(p * mask, p * (dp - bitcast<f32>(saved[2u * place + 1u])) * params.scale);
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
    let out = part(i, head);
    for (var c = 0u; c < params.d; c++) {
        y[out + c] = 0.0;
    }
    for (var j = rows.x; j < rows.y; j++) {
        let ds = gradients(i, j, head, rows.x).y;
        let source = part(j, head);
        for (var c = 0u; c < params.d; c++) {
            y[out + c] += ds * key[source + c];
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
    let dk = part(params.t + j, head);
    let dv = part(2u * params.t + j, head);
    for (var c = 0u; c < params.d; c++) {
        y[dk + c] = 0.0;
        y[dv + c] = 0.0;
    }
    for (var i = rows.x; i < rows.y; i++) {
        let g = gradients(i, j, head, rows.x);
        let source = part(i, head);
        for (var c = 0u; c < params.d; c++) {
            y[dk + c] += g.y * query[source + c];
            y[dv + c] += g.x * grad[source + c];
        }
    }
}
