// How the result is stored, which was computed in f32.
alias result = f16;
