// A matrix product for drivers that run on the processor with vector units of eight lanes as subgroups. A workgroup is
// one subgroup and computes 64 x 64 of the result; each lane holds eight columns of all 64 rows. Loads are what costs
// there: so the 64 x 4 block of a is spread over the lanes and fanned out by broadcasts, and each sum is touched once
// per four products.
//
// The file that imports this says how blocks lie in memory: `load_a`, `load_b`, `row_of`; and where sums start: `start`.
#import operands
#import stored
#import result

struct Params { m: u32, n: u32, k: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<result>>; // (m, n)
@group(0) @binding(1) var<storage, read> a: array<vec4<stored>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<stored>>;

/// Eight rows of a at four steps of k.
struct Rows {
    #unroll i in 0..8 {
    a{i}: vec4<f32>,
    }
}

/// Four steps of k of b at four columns.
struct Columns {
    #unroll i in 0..4 {
    b{i}: vec4<f32>,
    }
}

fn rounded(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(vec4<operand>(x));
}

@compute @workgroup_size(8)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let row_tiles = (params.m + 63u) / 64u;
    let width = params.n / 4u;
    let row = index % row_tiles * 64u;
    let quad = index / row_tiles * 16u + lane; // this lane's first group of four columns; the other is 8 further
    #unroll c in 0..2 {
        let column{c} = min(quad + {c}u * 8u, width - 1u);
        let initial{c} = start(column{c});
    }
    #unroll i in 0..8 {
        #unroll l in 0..8 {
            #unroll c in 0..2 {
            var sum{i}_{l}_{c} = initial{c};
            }
        }
    }
    for (var k = 0u; k < params.k; k += 4u) {
        let p = load_a(row, k, lane);
        #unroll c in 0..2 {
            let q{c} = load_b(column{c}, k);
            #unroll j in 0..4 {
            let b{c}_{j} = rounded(q{c}.b{j});
            }
        }
        #unroll i in 0..8 {
            let a{i} = rounded(p.a{i});
            #unroll l in 0..8 {
                let x{i}_{l} = subgroupBroadcast(a{i}, {l}u);
                #unroll c in 0..2 {
                sum{i}_{l}_{c} = fma(vec4<f32>(x{i}_{l}.x), b{c}_0, fma(vec4<f32>(x{i}_{l}.y), b{c}_1,
                    fma(vec4<f32>(x{i}_{l}.z), b{c}_2, fma(vec4<f32>(x{i}_{l}.w), b{c}_3, sum{i}_{l}_{c}))));
                }
            }
        }
    }
    #unroll i in 0..8 {
        #unroll l in 0..8 {
            let row{i}_{l} = row + row_of({i}u, {l}u);
            #unroll c in 0..2 {
            if (row{i}_{l} < params.m && quad + {c}u * 8u < width) {
                y[row{i}_{l} * width + quad + {c}u * 8u] = vec4<result>(sum{i}_{l}_{c});
            }
            }
        }
    }
}
