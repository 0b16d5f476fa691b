//! Organisations of real agents: separate processes, their work joined, and what survives a kill.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod support;

mod agents {
    mod bed;
    mod demo;
    mod dialects;
    mod external;
    mod files;
    mod interrupted;
    mod kills;
    mod mcp;
    mod proxied;
}
