// Sums over a workgroup of 64, in a fixed order; every invocation gets the result.
var<workgroup> sum64_parts: array<vec2<f32>, 64>;
var<workgroup> sum64_halves: array<vec2<f32>, 8>;

fn sum64_pair(value: vec2<f32>, lane: u32) -> vec2<f32> {
    sum64_parts[lane] = value;
    workgroupBarrier();
    if (lane < 8u) {
        var sum = vec2<f32>(0.0);
        #unroll i in 0..8 {
            sum += sum64_parts[lane + 8u * {i}u];
        }
        sum64_halves[lane] = sum;
    }
    workgroupBarrier();
    var sum = vec2<f32>(0.0);
    #unroll i in 0..8 {
        sum += sum64_halves[{i}];
    }
    return sum;
}

fn sum64(value: f32, lane: u32) -> f32 {
    return sum64_pair(vec2<f32>(value, 0.0), lane).x;
}
