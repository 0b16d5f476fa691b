//! The local launcher against a fake agent: a few lines of `sh` in place of `molecule agent`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on shall fail")]

mod bed;
mod ending;
mod starting;
mod sweeping;
