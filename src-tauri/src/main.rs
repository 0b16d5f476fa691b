//! The `molecule` program.

fn main() {}
