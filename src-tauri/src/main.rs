//! The `molecule` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    molecule_desktop::cli::main()
}
