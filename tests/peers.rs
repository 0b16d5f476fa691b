//! Clients and agents of other hands: what others wrote against the protocol and the contract works as it is.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod support;

mod peers {
    mod base_url;
    mod cards;
    mod external;
    mod gate;
    mod laptop;
    mod literal;
    mod mcp;
    mod programs;
    mod sdks;
    mod snippets;
}
