// The affine map of a layer: x times the transposed weight, plus a bias; by cooperative matrices of 8 x 8.
#import cooperative8
#import cooperative_tile
#import bias
