// The affine map of a layer: x times the transposed weight, plus a bias; by cooperative matrices of 16 x 16.
#import cooperative16
#import cooperative_tile
#import bias
