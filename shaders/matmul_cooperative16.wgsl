// Matrix products with either operand transposed, by cooperative matrices of 16 x 16.
#import cooperative16
#import cooperative_tile
#import no_bias
