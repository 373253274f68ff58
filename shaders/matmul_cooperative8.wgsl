// Matrix products with either operand transposed, by cooperative matrices of 8 x 8.
#import cooperative8
#import cooperative_tile
#import no_bias
