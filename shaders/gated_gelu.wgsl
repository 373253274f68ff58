// GELU of one half of the columns times the other half, and its gradient. Each invocation takes four neighbouring elements
// of the narrower matrix, which may lie in two rows and more.
#import normal
#import quads
#import stored
#import result

// n elements in rows of `inner`.
struct Params { n: u32, inner: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (t, inner); backward: (t, 2 inner)
@group(0) @binding(1) var<storage, read> x: array<stored>; // (t, 2 inner)
@group(0) @binding(2) var<storage, read> grad: array<stored>; // (t, inner)

/// Where in the wider matrix element i of the narrower one has its first factor; the last element stands for those beyond.
fn wide(i: u32) -> u32 {
    let at = min(i, params.n - 1u);
    return at / params.inner * 2u * params.inner + at % params.inner;
}

/// Four numbers of the wider matrix, each so many columns from where `wide` says.
fn four(at: vec4<u32>, offset: u32) -> vec4<f32> {
    return vec4<f32>(
        f32(x[at.x + offset]), f32(x[at.y + offset]), f32(x[at.z + offset]), f32(x[at.w + offset]),
    );
}

// gelu(a) b
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane) * 4u;
    if (i < params.n) {
        let at = vec4<u32>(wide(i), wide(i + 1u), wide(i + 2u), wide(i + 3u));
        let a = four(at, 0u);
        let z = a * cdf(a, exp(-0.5 * a * a)) * four(at, params.inner);
        #unroll q in 0..4 {
        if (i + {q}u < params.n) {
            y[i + {q}u] = result(z[{q}]);
        }
        }
    }
}

// da = grad b (cdf(a) + a density(a)), and db = grad gelu(a)
@compute @workgroup_size(64)
fn backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = quad_index(workgroup, workgroups, lane) * 4u;
    if (i < params.n) {
        let last = params.n - 1u;
        let at = vec4<u32>(wide(i), wide(i + 1u), wide(i + 2u), wide(i + 3u));
        let a = four(at, 0u);
        let g = vec4<f32>(
            f32(grad[i]), f32(grad[min(i + 1u, last)]), f32(grad[min(i + 2u, last)]), f32(grad[min(i + 3u, last)]),
        );
        let bell = exp(-0.5 * a * a);
        let distribution = cdf(a, bell);
        let da = g * four(at, params.inner) * (distribution + a * INV_SQRT_TAU * bell);
        let db = g * a * distribution;
        #unroll q in 0..4 {
        if (i + {q}u < params.n) {
            y[at[{q}]] = result(da[{q}]);
            y[at[{q}] + params.inner] = result(db[{q}]);
        }
        }
    }
}
