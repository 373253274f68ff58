// Kullback-Leibler divergence of softmax distributions over the rows of each group, column by column. A workgroup of 64
// takes one column of one group; their divergences are added up by cross_entropy's entry point `forward`.
#import max64
#import sum64

struct Params { pairs: u32, columns: u32, weight: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> output: array<f32>; // divergences (groups * k), or gradients (n, k)
@group(0) @binding(1) var<storage, read> first: array<f32>; // (n, k)
@group(0) @binding(2) var<storage, read> second: array<f32>; // (n, k)
@group(0) @binding(3) var<storage, read> offsets: array<u32>; // (groups + 1)
@group(0) @binding(4) var<storage, read> grad: array<f32>; // (1)

// What is known of a column of a group: of both the largest logit and the logarithm of the sum of exponentials relative to
// it, and what the difference of logarithms is off by.
struct Column { most: vec2<f32>, log_sum: vec2<f32>, off: f32 }

// A probability of each distribution, and ln p - ln q.
struct Pair { p: f32, q: f32, apart: f32 }

fn pair_at(i: u32, column: Column) -> Pair {
    let logs = vec2<f32>(first[i], second[i]) - column.most - column.log_sum;
    // Logits that are near each other are subtracted first, which rounds nothing.
    let sums = column.most + column.log_sum;
    let apart = (first[i] - second[i]) - (sums.x - sums.y) - column.off;
    return Pair(exp(logs.x), exp(logs.y), apart);
}

// 1 - exp(-x), without loss where x is small: p - q = p (1 - exp(-apart)).
fn less(pair: Pair) -> f32 {
    let x = pair.apart;
    if (abs(x) > 0.25) {
        return pair.p - pair.q;
    }
    let series = 1.0 - x * (1.0 / 2.0 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0 - x / 720.0))));
    return pair.p * x * series;
}

// p (x + exp(-x) - 1), which is never negative.
fn part(pair: Pair) -> f32 {
    let x = pair.apart;
    if (abs(x) > 0.25) {
        return pair.p * x - (pair.p - pair.q);
    }
    let series = 1.0 / 2.0 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0 - x / 720.0)));
    return pair.p * x * x * series;
}

fn look(group: u32, at: u32, lane: u32) -> Column {
    let end = offsets[group + 1u];
    var most = vec2<f32>(LOWEST);
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            let i = (start + lane) * params.columns + at;
            most = max(most, vec2<f32>(first[i], second[i]));
        }
    }
    most = vec2<f32>(max64(most.x, lane), max64(most.y, lane));
    var sum = vec2<f32>(0.0);
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            let i = (start + lane) * params.columns + at;
            sum += exp(vec2<f32>(first[i], second[i]) - most);
        }
    }
    var column = Column(most, log(sum64_pair(sum, lane)), 0.0);
    // Both distributions sum to 1, so that the sum of p - q tells what the difference of the two logarithms is off by.
    var off = 0.0;
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            off += less(pair_at((start + lane) * params.columns + at, column));
        }
    }
    column.off = sum64(off, lane);
    return column;
}

fn divergence(group: u32, at: u32, column: Column, lane: u32) -> f32 {
    let end = offsets[group + 1u];
    var sum = 0.0;
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            sum += part(pair_at((start + lane) * params.columns + at, column));
        }
    }
    return sum64(sum, lane);
}

@compute @workgroup_size(64)
fn divergences(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = workgroup.y * workgroups.x + workgroup.x;
    let pair = min(number, params.pairs - 1u);
    let group = pair / params.columns;
    let at = pair % params.columns;
    let column = look(group, at, lane);
    let sum = divergence(group, at, column, lane);
    if (number < params.pairs && lane == 0u) {
        output[pair] = sum;
    }
}

// grad weight p (ln p - ln q - KL).
@compute @workgroup_size(64)
fn backward_target(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pair = min(workgroup.y * workgroups.x + workgroup.x, params.pairs - 1u);
    let group = pair / params.columns;
    let at = pair % params.columns;
    let column = look(group, at, lane);
    let sum = divergence(group, at, column, lane);
    let factor = grad[0] * params.weight;
    let end = offsets[group + 1u];
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            let i = (start + lane) * params.columns + at;
            let two = pair_at(i, column);
            output[i] = factor * two.p * (two.apart - sum);
        }
    }
}

// grad weight (q - p).
@compute @workgroup_size(64)
fn backward_logits(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let pair = min(workgroup.y * workgroups.x + workgroup.x, params.pairs - 1u);
    let group = pair / params.columns;
    let at = pair % params.columns;
    let column = look(group, at, lane);
    let factor = grad[0] * params.weight;
    let end = offsets[group + 1u];
    for (var start = offsets[group]; start < end; start += 64u) {
        if (start + lane < end) {
            let i = (start + lane) * params.columns + at;
            output[i] = -factor * less(pair_at(i, column));
        }
    }
}
