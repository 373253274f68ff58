// The maximum over a workgroup of 64; every invocation gets it.
const LOWEST = -3.4028234e38;
var<workgroup> max64_parts: array<f32, 64>;
var<workgroup> max64_halves: array<f32, 8>;

fn max64(value: f32, lane: u32) -> f32 {
    max64_parts[lane] = value;
    workgroupBarrier();
    if (lane < 8u) {
        var most = LOWEST;
        #unroll i in 0..8 {
            most = max(most, max64_parts[lane + 8u * {i}u]);
        }
        max64_halves[lane] = most;
    }
    workgroupBarrier();
    var most = LOWEST;
    #unroll i in 0..8 {
        most = max(most, max64_halves[{i}]);
    }
    return most;
}
