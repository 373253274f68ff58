// Matrices of 8 x 8 of f16 that the lanes of a subgroup multiply together, with sums in f32.

const SIDE = 8u;
const STRIDE = 40u; // of a tile's rows: the padding spreads them over the banks
alias left = coop_mat8x8<f16, A>;
alias right = coop_mat8x8<f16, B>;
alias sums = coop_mat8x8<f32, C>;

var<workgroup> a_tile: array<f16, 320>; // (8, 40), k outermost
var<workgroup> b_tile: array<f16, 320>; // (8, 40), k outermost
var<workgroup> patches: array<f32, 256>; // (4, 8, 8), one of each subgroup
