// The affine map of a layer: x times the transposed weight, plus a bias.
#import matmul_tile
#import bias
