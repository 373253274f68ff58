// How inputs are stored that pass between layers: in f32. With `inputs` in f16, shared/stored_f16 stands here.
alias stored = f32;
