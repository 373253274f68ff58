// How inputs are stored that pass between layers; computed with in f32.
alias stored = f16;
