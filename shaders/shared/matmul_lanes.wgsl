// A matrix product for drivers that run on the processor with vector units of eight lanes as subgroups. A workgroup is
// one subgroup and computes 32 x 32 of the result; each lane holds four columns of all 32 rows. Loads are what costs
// there: so the 32 x 4 block of a is spread over the lanes and fanned out by broadcasts, and each sum is touched once
// per four products.
//
// The file that imports this says how blocks lie in memory: `load`, `row_of`; and where sums start: `start`.

struct Params { m: u32, n: u32, k: u32 }
@group(1) @binding(0) var<uniform> params: Params;

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>; // (m, n)
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

/// Four rows of a at four steps of k, and four steps of k of b at four columns.
struct Loaded {
    #unroll i in 0..4 {
    a{i}: vec4<f32>,
    b{i}: vec4<f32>,
    }
}

@compute @workgroup_size(8)
fn forward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let index = workgroup.y * workgroups.x + workgroup.x;
    let row_tiles = (params.m + 31u) / 32u;
    let row = index % row_tiles * 32u;
    let quad = index / row_tiles * 8u + lane; // this lane's group of four columns
    let column = min(quad, params.n / 4u - 1u);
    let initial = start(column);
    #unroll i in 0..4 {
        #unroll l in 0..8 {
            var sum{i}_{l} = initial;
        }
    }
    var ahead = load(row, column, 0u, lane);
    for (var k = 0u; k < params.k; k += 4u) {
        let p = ahead;
        ahead = load(row, column, min(k + 4u, params.k - 1u) / 4u * 4u, lane);
        #unroll i in 0..4 {
            #unroll l in 0..8 {
                let x{i}_{l} = subgroupBroadcast(p.a{i}, {l}u);
                sum{i}_{l} = fma(vec4<f32>(x{i}_{l}.x), p.b0, fma(vec4<f32>(x{i}_{l}.y), p.b1,
                    fma(vec4<f32>(x{i}_{l}.z), p.b2, fma(vec4<f32>(x{i}_{l}.w), p.b3, sum{i}_{l}))));
            }
        }
    }
    #unroll i in 0..4 {
        #unroll l in 0..8 {
            let row{i}_{l} = row + row_of({i}u, {l}u);
            if (row{i}_{l} < params.m && quad < params.n / 4u) {
                y[row{i}_{l} * (params.n / 4u) + quad] = sum{i}_{l};
            }
        }
    }
}
