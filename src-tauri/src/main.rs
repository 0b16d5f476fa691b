//! The `molecule` program.

use std::process::ExitCode;

/// Faster than the system's where many small pieces pass from thread to thread, as messages do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    molecule_desktop::cli::main()
}
