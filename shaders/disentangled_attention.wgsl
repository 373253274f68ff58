// Disentangled attention within each sequence of a packed batch: scores of content and content, content and position,
// position and content. As in `attention`, an invocation takes one row and head, walks over its sequence and holds sums in
// registers, nothing of the size of the scores is stored, and products of a row go in steps of four.
#import stored
#import result

// As in shared/attention_rows, and behind it: rows of a table of positions, tokens that distances reach, tokens of the
// longest sequence, and into how many parts of how many pairs the gradients of positions are cut.
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
    count: u32,
    reach: u32,
    longest: u32,
    parts: u32,
    pairs: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

const LOWEST = -3.4028234e38;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (t, h); backward: (3 t + 2 count, h)
@group(0) @binding(1) var<storage, read> query: array<stored>; // (t, h)
@group(0) @binding(2) var<storage, read> key: array<stored>; // (t, h)
@group(0) @binding(3) var<storage, read> value: array<stored>; // (t, h)
@group(0) @binding(4) var<storage, read> positions: array<stored>; // keys, then queries: (2 count, h)
// The mask (t, heads, words); two statistics (t, heads, 2); first row and end of each row's sequence (t, 2); the row of
// positions of each distance (2 reach - 1); and where the distances of each row begin (count + 1).
@group(0) @binding(5) var<storage, read> saved: array<u32>;
@group(0) @binding(6) var<storage, read> grad: array<stored>; // (t, h)

/// Where the statistics of row i lie in `saved`.
fn statistics_of(i: u32, head: u32) -> u32 {
    return params.t * params.heads * params.words + 2u * (i * params.heads + head);
}

/// Where the sequence of row i lies in `saved`.
fn sequence_of(i: u32) -> u32 {
    return statistics_of(params.t, 0u) + 2u * i;
}

/// The rows of the sequence that a row belongs to: the first, and one past the last.
fn rows_of(i: u32) -> vec2<u32> {
    return vec2<u32>(saved[sequence_of(i)], saved[sequence_of(i) + 1u]);
}

/// What dropout multiplies the probability of query i and key j by: key j is bit j % 32, and the first word is that of the
/// first key.
fn kept(i: u32, j: u32, head: u32, start: u32) -> f32 {
    let word = saved[(i * params.heads + head) * params.words + j / 32u - start / 32u];
    return select(0.0, params.factor, (word >> (j % 32u) & 1u) == 1u);
}

/// Where a row's part for a head begins.
fn part(row: u32, head: u32) -> u32 {
    return row * params.h + head * params.d;
}

/// Where the key of the position of query i and key j begins; the query is `count` rows behind.
fn position(i: u32, j: u32, head: u32) -> u32 {
    return part(saved[sequence_of(params.t) + params.reach - 1u + i - j], head);
}

fn score(i: u32, j: u32, head: u32) -> f32 {
    let a = part(i, head);
    let b = part(j, head);
    let r = position(i, j, head);
    let behind = r + params.count * params.h;
    var sum = 0.0;
    var c = 0u;
    for (; c + 3u < params.d; c += 4u) {
        #unroll q in 0..4 {
        let k{q} = f32(key[b + c + {q}u]);
        sum += f32(query[a + c + {q}u]) * (k{q} + f32(positions[r + c + {q}u])) + k{q} * f32(positions[behind + c + {q}u]);
        }
    }
    for (; c < params.d; c++) {
        let k = f32(key[b + c]);
        sum += f32(query[a + c]) * (k + f32(positions[r + c])) + k * f32(positions[behind + c]);
    }
    return sum * params.scale;
}

/// The score, and the gradient of the probability with which i attends to j, dropout aside.
fn score_and_gradient(i: u32, j: u32, head: u32) -> vec2<f32> {
    let a = part(i, head);
    let b = part(j, head);
    let r = position(i, j, head);
    let behind = r + params.count * params.h;
    var sum = 0.0;
    var dp = 0.0;
    var c = 0u;
    for (; c + 3u < params.d; c += 4u) {
        #unroll q in 0..4 {
        let k{q} = f32(key[b + c + {q}u]);
        sum += f32(query[a + c + {q}u]) * (k{q} + f32(positions[r + c + {q}u])) + k{q} * f32(positions[behind + c + {q}u]);
        dp += f32(grad[a + c + {q}u]) * f32(value[b + c + {q}u]);
        }
    }
    for (; c < params.d; c++) {
        let k = f32(key[b + c]);
        sum += f32(query[a + c]) * (k + f32(positions[r + c])) + k * f32(positions[behind + c]);
        dp += f32(grad[a + c]) * f32(value[b + c]);
    }
    return vec2<f32>(sum * params.scale, dp);
}

@group(0) @binding(0) var<storage, read_write> laid_out: array<u32>; // as `saved`
@group(0) @binding(1) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(2) var<storage, read> distances: array<u32>; // (2 reach - 1), then (count + 1)

// Writes where sequences lie and the distances behind the statistics, each invocation those of a row, or one number.
@compute @workgroup_size(64)
fn sequences(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (index >= params.t) {
        let i = index - params.t;
        if (i < 2u * params.reach + params.count) {
            laid_out[sequence_of(params.t) + i] = distances[i];
        }
        return;
    }
    var low = 0u;
    var high = params.segments;
    while (high - low > 1u) {
        let middle = (low + high) / 2u;
        if (offsets[middle] <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    laid_out[sequence_of(index)] = offsets[low];
    laid_out[sequence_of(index) + 1u] = offsets[low + 1u];
}

@group(0) @binding(1) var<storage, read> position_keys: array<stored>; // (count, h)
@group(0) @binding(2) var<storage, read> position_queries: array<stored>; // (count, h)

// Both tables of positions, one below the other, so that kernels bind one buffer for them.
@compute @workgroup_size(64)
fn tables(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    let n = params.count * params.h;
    if (index < n) {
        y[index] = result(position_keys[index]);
    } else if (index < 2u * n) {
        y[index] = result(position_queries[index - n]);
    }
}

// y = softmax(s) v, with a running maximum and sum.
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
    let rows = rows_of(i);
    for (var first = 0u; first < params.d; first += 64u) {
        var most = LOWEST;
        var sum = 0.0;
        #unroll c in 0..64 {
        var acc{c} = 0.0;
        }
        for (var j = rows.x; j < rows.y; j++) {
            let s = score(i, j, head);
            let top = max(most, s);
            let shrink = exp(most - top);
            let e = exp(s - top);
            let p = e * kept(i, j, head, rows.x);
            sum = sum * shrink + e;
            most = top;
            let source = part(j, head);
            #unroll c in 0..64 {
            acc{c} = acc{c} * shrink + p * f32(value[source + min(first + {c}u, params.d - 1u)]);
            }
        }
        #unroll c in 0..64 {
        if (first + {c}u < params.d) {
            y[part(i, head) + first + {c}u] = result(acc{c} / sum);
        }
        }
    }
}

@group(0) @binding(0) var<storage, read_write> statistic: array<f32>; // (t, heads, 2)

// For each row and head the logarithm of the sum of exponentials, and D = sum(P dP).
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
    let rows = rows_of(i);
    var most = LOWEST;
    var sum = 0.0;
    var inner = 0.0;
    for (var j = rows.x; j < rows.y; j++) {
        let pair = score_and_gradient(i, j, head);
        let top = max(most, pair.x);
        let shrink = exp(most - top);
        let e = exp(pair.x - top);
        sum = sum * shrink + e;
        inner = inner * shrink + e * pair.y * kept(i, j, head, rows.x);
        most = top;
    }
    let at = 2u * (i * params.heads + head);
    statistic[at] = most + log(sum);
    statistic[at + 1u] = inner / sum;
}

@group(0) @binding(1) var<storage, read> computed: array<f32>; // (t, heads, 2)

// The statistics in their place.
@compute @workgroup_size(64)
fn keep(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    if (index < 2u * params.t * params.heads) {
        laid_out[statistics_of(0u, 0u) + index] = bitcast<u32>(computed[index]);
    }
}

/// For query i and key j of one head: the probability, dropped or not, and the gradient of the score.
fn gradients(i: u32, j: u32, head: u32, start: u32) -> vec2<f32> {
    let at = statistics_of(i, head);
    let mask = kept(i, j, head, start);
    let pair = score_and_gradient(i, j, head);
    let p = exp(pair.x - bitcast<f32>(saved[at]));
    let ds = p * (mask * pair.y - bitcast<f32>(saved[at + 1u]));
    return vec2<f32>(p * mask, ds * params.scale);
}

// dq = dS (k + pk), with dS = P (dP - D) / sqrt(3 d).
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
    let rows = rows_of(i);
    for (var first = 0u; first < params.d; first += 64u) {
        #unroll c in 0..64 {
        var sum{c} = 0.0;
        }
        for (var j = rows.x; j < rows.y; j++) {
            let ds = gradients(i, j, head, rows.x).y;
            let source = part(j, head);
            let r = position(i, j, head);
            #unroll c in 0..64 {
            let c{c} = min(first + {c}u, params.d - 1u);
            sum{c} += ds * (f32(key[source + c{c}]) + f32(positions[r + c{c}]));
            }
        }
        #unroll c in 0..64 {
        if (first + {c}u < params.d) {
            y[part(i, head) + first + {c}u] = result(sum{c});
        }
        }
    }
}

// dk = dS^T (q + pq) and dv = (P M)^T grad, each invocation one key.
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
    let rows = rows_of(j);
    for (var first = 0u; first < params.d; first += 32u) {
        #unroll c in 0..32 {
        var dk{c} = 0.0;
        var dv{c} = 0.0;
        }
        for (var i = rows.x; i < rows.y; i++) {
            let g = gradients(i, j, head, rows.x);
            let source = part(i, head);
            let behind = position(i, j, head) + params.count * params.h;
            #unroll c in 0..32 {
            let c{c} = min(first + {c}u, params.d - 1u);
            dk{c} += g.y * (f32(query[source + c{c}]) + f32(positions[behind + c{c}]));
            dv{c} += g.x * f32(grad[source + c{c}]);
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

@group(0) @binding(0) var<storage, read_write> partial: array<f32>; // (parts, 2 count, h)

var<workgroup> ds_of: array<f32, 64>;
var<workgroup> query_of: array<u32, 64>;
var<workgroup> key_of: array<u32, 64>;

// dpk = sum(dS q) and dpq = sum(dS k) over the pairs whose distance has one row. Each workgroup takes a row, a head, 64
// columns, one to an invocation, and a part of the pairs: all rows for each of the distances, 64 pairs at a time.
@compute @workgroup_size(64)
fn dpositions(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let blocks = (params.d + 63u) / 64u;
    let column = index % blocks * 64u + lane;
    let head = index / blocks % params.heads;
    let row = index / (blocks * params.heads) % params.count;
    let share = index / (blocks * params.heads * params.count);
    let starts = sequence_of(params.t) + 2u * params.reach - 1u + row;
    let first = max(saved[starts], params.reach - params.longest);
    let end = max(min(saved[starts + 1u], params.reach + params.longest - 1u), first);
    let begin = share * params.pairs;
    let stop = select(min(begin + params.pairs, (end - first) * params.t), 0u, share >= params.parts);
    let own = min(column, params.d - 1u);
    var dk = 0.0;
    var dq = 0.0;
    for (var base = begin; base < stop; base += 64u) {
        ds_of[lane] = 0.0;
        query_of[lane] = part(0u, head);
        key_of[lane] = part(0u, head);
        let pair = base + lane;
        if (pair < stop) {
            let i = pair % params.t;
            let distance = first + pair / params.t;
            let rows = rows_of(i);
            let shifted = i + params.reach - 1u;
            if (shifted >= rows.x + distance && shifted < rows.y + distance) {
                let j = shifted - distance;
                ds_of[lane] = gradients(i, j, head, rows.x).y;
                query_of[lane] = part(i, head);
                key_of[lane] = part(j, head);
            }
        }
        workgroupBarrier();
        for (var l = 0u; l < 64u; l += 4u) {
            #unroll q in 0..4 {
            dk += ds_of[l + {q}u] * f32(query[query_of[l + {q}u] + own]);
            dq += ds_of[l + {q}u] * f32(key[key_of[l + {q}u] + own]);
            }
        }
        workgroupBarrier();
    }
    if (share < params.parts && column < params.d) {
        let at = part(share * 2u * params.count + row, head) + column;
        partial[at] = dk;
        partial[at + params.count * params.h] = dq;
    }
}

@group(0) @binding(1) var<storage, read> parts: array<f32>; // (parts, 2 count, h)

// The sums of the parts, each invocation one number.
@compute @workgroup_size(64)
fn sum_positions(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
    let n = 2u * params.count * params.h;
    if (index < n) {
        var sum = 0.0;
        for (var i = 0u; i < params.parts; i++) {
            sum += parts[i * n + index];
        }
        y[3u * params.t * params.h + index] = result(sum);
    }
}
