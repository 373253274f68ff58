// Matrices of 16 x 16 of f16 that the lanes of a subgroup multiply together, with sums in f32.

const SIDE = 16u;
const STRIDE = 72u; // of a tile's rows: the padding spreads them over the banks
alias left = coop_mat16x16<f16, A>;
alias right = coop_mat16x16<f16, B>;
alias sums = coop_mat16x16<f32, C>;

var<workgroup> a_tile: array<f16, 1152>; // (16, 72), k outermost
var<workgroup> b_tile: array<f16, 1152>; // (16, 72), k outermost
var<workgroup> patches: array<f32, 1024>; // (4, 16, 16), one of each subgroup
