// What operands of products are rounded to; sums stay in f32.
alias operand = f16;
