// What operands of products are rounded to: nothing. In the f16 variant of a shader, shared/operands_f16 stands here.
alias operand = f32;
