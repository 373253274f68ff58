// x * 0.999 + 0.001 again and again: how many multiplications and additions the device can do. Each invocation of a
// workgroup of 64 keeps 32 numbers in registers.

struct Params { n: u32, rounds: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>; // (n), whole groups of 32

fn step(x: vec4<f32>) -> vec4<f32> {
    return fma(x, vec4<f32>(0.999), vec4<f32>(0.001));
}

// x <- step applied 16 * rounds times
@compute @workgroup_size(64)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = (((workgroup.y * workgroups.x + workgroup.x) * 64u) + lane) * 8u;
    if (first < params.n / 4u) {
        #unroll i in 0..8 {
            var x{i} = x[first + {i}u];
        }
        for (var round = 0u; round < params.rounds; round++) {
            #unroll i in 0..8 {
                #unroll j in 0..4 {
                x{i} = step(step(step(step(x{i}))));
                }
            }
        }
        #unroll i in 0..8 {
            x[first + {i}u] = x{i};
        }
    }
}
