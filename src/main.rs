//! The `rxlt` command.
fn main() {}
