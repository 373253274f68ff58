// AdamW in place (Loshchilov & Hutter, 2019): dense, for rows of a table, and for steps that rows have missed.

@group(0) @binding(0) var<storage, read_write> p: array<f32>; // (n), or the table (v, h)
@group(0) @binding(1) var<storage, read_write> m: array<f32>; // (n), or (slots, h)
@group(0) @binding(2) var<storage, read_write> v: array<f32>; // (n), or (slots, h)

// `n` elements; of tables: `n` rows of h elements. The last two only count for `catch_up`.
struct Params {
    n: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    decay: f32,
    rate: f32,
    root: f32,
    h: u32,
    first: u32,
    steps: u32,
}
@group(1) @binding(0) var<uniform> params: Params;

/// One step of parameter `i` with moments `j`: decay = 1 - lr wd, rate = lr / (1 - beta1^t), root = sqrt(1 - beta2^t).
fn step(i: u32, j: u32, g: f32, decay: f32, rate: f32, root: f32) {
    let first = params.beta1 * m[j] + (1.0 - params.beta1) * g;
    let second = params.beta2 * v[j] + (1.0 - params.beta2) * g * g;
    m[j] = first;
    v[j] = second;
    p[i] = p[i] * decay - rate * first / (sqrt(second) / root + params.epsilon);
}

fn finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u;
}

@group(0) @binding(3) var<storage, read> grad: array<f32>; // (n), or (n, h)
@group(0) @binding(4) var<storage, read> factor: array<f32>; // (1)

// Every element, unless the factor of clipping is not finite. A workgroup of 64 takes 256.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    let scale = factor[0];
    if (finite(scale)) {
        for (var i = first; i < min(first + 256u, params.n); i += 64u) {
            step(i, i, grad[i] * scale, params.decay, params.rate, params.root);
        }
    }
}

@group(0) @binding(5) var<storage, read> places: array<vec2<u32>>; // (n): row of the table, slot

// Row by row. A workgroup of 64 takes 256 elements.
@compute @workgroup_size(64)
fn rows(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    let scale = factor[0];
    if (finite(scale)) {
        for (var i = first; i < min(first + 256u, params.n * params.h); i += 64u) {
            let place = places[i / params.h] * params.h + i % params.h;
            step(place.x, place.y, grad[i] * scale, params.decay, params.rate, params.root);
        }
    }
}

@group(0) @binding(3) var<storage, read> missed: array<u32>; // (n, 3): row of the table, slot, steps taken
@group(0) @binding(4) var<storage, read> schedule: array<f32>; // (steps, 3): decay, rate, root

// The steps since a row's last one, with gradient 0; a row without a slot decays by a factor (its bits come third).
@compute @workgroup_size(64)
fn catch_up(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n * params.h); i += 64u) {
        let at = i / params.h * 3u;
        let column = i % params.h;
        let element = missed[at] * params.h + column;
        let slot = missed[at + 1u];
        if (slot == 0xffffffffu) {
            p[element] *= bitcast<f32>(missed[at + 2u]);
        } else {
            for (var k = missed[at + 2u] - params.first; k < params.steps; k++) {
                step(element, slot * params.h + column, 0.0, schedule[3u * k], schedule[3u * k + 1u], schedule[3u * k + 2u]);
            }
        }
    }
}
