//! The server as its callers see it: one module per capability.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod support;

mod server {
    mod access;
    mod addresses;
    mod bad_input;
    mod capability;
    mod conformance;
    mod data_directory;
    mod events;
    mod foreign_page;
    mod hierarchy;
    mod hostile;
    mod hosts;
    mod keys;
    mod launch;
    mod observability;
    mod openness;
    mod origins;
    mod pages;
    mod starting;
    mod tokens;
}
