//! The bed of the black-box suites: the real `molecule` binary on a data directory of its own.
//!
//! Nothing here knows the inside of the program. A test starts a [`TestServer`], talks to it as one of
//! its callers and drops it; the drop fails the test when the server's log tells of a panic or when a
//! process of that installation is left.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of this")]

pub mod api;
pub mod dice;
pub mod events;
pub mod fake_agent;
pub mod process;
pub mod raw;
pub mod server;
pub mod wait;

pub use api::{Answer, Api};
pub use dice::Dice;
pub use events::Events;
pub use fake_agent::FakeAgent;
pub use server::{Builder, TestServer};
pub use wait::{SOON, eventually};

/// An id that no row has.
pub const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Says on the console that a test could not do its work here, and why.
///
/// # Panics
/// In CI, where `scripts/setup test` has put everything in place: nothing may be skipped there.
pub fn skipped(test: &str, because: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} would be skipped in CI: {because}");
    println!("skipped {test}: {because}");
}
