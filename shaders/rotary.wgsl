// Each pair of a head's columns turned by the angle of its row's place. A workgroup of 64 turns 256 pairs.
#import stored
#import result

// n pairs in rows of h columns, with `pairs` of them in a head; the gradient is the turn back, by the sign -1.
struct Params { n: u32, h: u32, pairs: u32, sign: f32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<result>; // (t, h)
@group(0) @binding(1) var<storage, read> x: array<stored>; // (t, h)
@group(0) @binding(2) var<storage, read> offsets: array<u32>; // (s + 1)
@group(0) @binding(3) var<storage, read> owners: array<u32>; // (t)
@group(0) @binding(4) var<storage, read> angles: array<vec2<f32>>; // (places, pairs): cosine and sine

@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (workgroup.y * workgroups.x + workgroup.x) * 256u + lane;
    for (var i = first; i < min(first + 256u, params.n); i += 64u) {
        let row = i / (params.h / 2u);
        let within = i % (params.h / 2u);
        let c = within % params.pairs;
        let at = row * params.h + within / params.pairs * 2u * params.pairs + c;
        let place = row - offsets[owners[row]];
        let turn = angles[place * params.pairs + c] * vec2<f32>(1.0, params.sign);
        let a = f32(x[at]);
        let b = f32(x[at + params.pairs]);
        y[at] = result(a * turn.x - b * turn.y);
        y[at + params.pairs] = result(b * turn.x + a * turn.y);
    }
}
