// Layer normalization of the sum of a residual and what dropout leaves of a sublayer's output, and its gradient. A
// workgroup of 64 takes one row of up to 1,024 elements, four groups of four an invocation, and holds its sum in
// registers. For other widths, and drivers on the processor, there is the sum alone, which goes on to `layer_norm`.
#import quads
#import dropout
#import sum64
#import stored
#import result

struct Params {
    n: u32,
    threshold: u32,
    factor: f32,
    step: u32,
    stream: u32,
    key_low: u32,
    key_high: u32,
    rows: u32,
    columns: u32,
    epsilon: f32,
}
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<result>>; // (t, h)
@group(0) @binding(1) var<storage, read> residual: array<vec4<stored>>; // (t, h)
@group(0) @binding(2) var<storage, read> x: array<vec4<stored>>; // (t, h)
@group(0) @binding(3) var<storage, read> gain: array<vec4<f32>>; // (h)
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>; // (h)
@group(0) @binding(4) var<storage, read> grad: array<vec4<stored>>; // (t, h)

/// Elements of the sum from 4 i on.
fn total(i: u32) -> vec4<f32> {
    return vec4<f32>(residual[i]) + dropped(vec4<f32>(x[i]), i);
}

/// What an invocation holds of a row: groups `lane`, `lane + 64` and so on; zero past its end.
struct Part {
    #unroll q in 0..4 {
    x{q}: vec4<f32>,
    }
}

/// Part of a row of the sum less the row's mean, over its deviation; and the inverse of that.
struct Normalized { part: Part, inverse: f32 }

/// That of the row of `width` groups that starts at group `first`.
fn normalized(first: u32, width: u32, lane: u32) -> Normalized {
    var part: Part;
    #unroll q in 0..4 {
    if (lane + {q}u * 64u < width) {
        part.x{q} = total(first + lane + {q}u * 64u);
    }
    }
    let n = f32(params.columns);
    let mean = sum64(dot(part.x0 + part.x1 + part.x2 + part.x3, vec4<f32>(1.0)), lane) / n;
    var squares = 0.0;
    #unroll q in 0..4 {
    let d{q} = select(vec4<f32>(0.0), part.x{q} - mean, lane + {q}u * 64u < width);
    squares += dot(d{q}, d{q});
    }
    let inverse = 1.0 / sqrt(sum64(squares, lane) / n + params.epsilon);
    return Normalized(Part(d0 * inverse, d1 * inverse, d2 * inverse, d3 * inverse), inverse);
}

// Normalized * gain + bias.
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns / 4u;
    let first = select(0u, row, inside) * width;
    let own = normalized(first, width, lane).part;
    #unroll q in 0..4 {
    let j{q} = lane + {q}u * 64u;
    if (inside && j{q} < width) {
        y[first + j{q}] = vec4<result>(own.x{q} * gain[j{q}] + bias[j{q}]);
    }
    }
}

// The gradient of the sum, (d - mean(d) - xhat mean(d xhat)) / deviation with d = grad gain.
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    let inside = row < params.rows;
    let width = params.columns / 4u;
    let first = select(0u, row, inside) * width;
    let own = normalized(first, width, lane);
    var both = vec2<f32>(0.0);
    #unroll q in 0..4 {
    let j{q} = lane + {q}u * 64u;
    var d{q} = vec4<f32>(0.0);
    if (j{q} < width) {
        d{q} = vec4<f32>(grad[first + j{q}]) * gain[j{q}];
    }
    both += vec2<f32>(dot(d{q}, vec4<f32>(1.0)), dot(d{q}, own.part.x{q}));
    }
    let means = sum64_pair(both, lane) / f32(params.columns);
    #unroll q in 0..4 {
    if (inside && j{q} < width) {
        y[first + j{q}] = vec4<result>((d{q} - means.x - own.part.x{q} * means.y) * own.inverse);
    }
    }
}

@group(0) @binding(0) var<storage, read_write> sums: array<vec4<f32>>; // (n)

// The sum alone. Each invocation takes four elements.
@compute @workgroup_size(64)
fn sum(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane);
    if (i * 4u < params.n) {
        sums[i] = total(i);
    }
}
