// Matrix products with either operand transposed.
#import matmul_tile
#import no_bias
