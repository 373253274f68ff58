// Elementwise work: each invocation of a workgroup of 64 takes four neighbouring elements. Buffers are shown in whole
// groups of four, so the last group may reach past the last element.

/// The group of four that an invocation takes.
fn quad_index(workgroup: vec3<u32>, workgroups: vec3<u32>, lane: u32) -> u32 {
    return (workgroup.y * workgroups.x + workgroup.x) * 64u + lane;
}
