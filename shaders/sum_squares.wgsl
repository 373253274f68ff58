// The sum of squares, added to a total. First each workgroup of 64 sums 4,096 elements, then one workgroup the rest.
#import sum64

struct Params { n: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> parts: array<f32>; // (ceil(n / 4096))
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>; // (n)

@compute @workgroup_size(64)
fn partial(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    var sum = 0.0;
    for (var i = index * 1024u + lane; i < (index + 1u) * 1024u; i += 64u) {
        if (i * 4u < params.n) {
            let inside = 4u * i + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(params.n);
            let value = select(vec4<f32>(0.0), x[i], inside);
            sum += dot(value, value);
        }
    }
    let total = sum64(sum, lane);
    if (lane == 0u && index * 4096u < params.n) {
        parts[index] = total;
    }
}

@group(0) @binding(0) var<storage, read_write> y: array<f32>; // (1)
@group(0) @binding(1) var<storage, read> squares: array<f32>; // (n)
@group(0) @binding(2) var<storage, read> running: array<f32>; // (1)

@compute @workgroup_size(64)
fn forward(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < params.n; i += 64u) {
        sum += squares[i];
    }
    let total = sum64(sum, lane);
    if (lane == 0u) {
        y[0] = running[0] + total;
    }
}
