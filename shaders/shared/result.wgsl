// How the result is stored: in f32. With the `output` in f16, shared/result_f16 stands here.
alias result = f32;
