//! Where secrets lie: a real Secret Service in a session of its own, or the sealed file (Done when 5, 12).
//!
//! Each test brings a D-Bus session and a gnome-keyring of its own, with a home of its own; where one of
//! the tools is missing the test is skipped by name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]
#![cfg(target_os = "linux")]

mod support;

mod vault {
    mod lost;
    mod sealed;
    mod secret_service;
    mod session;
    mod traces;
}
