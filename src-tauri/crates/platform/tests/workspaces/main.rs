//! Workspaces over HTTP, with agents that are a few lines of `sh` in place of `molecule agent`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on shall fail")]

mod bed;
mod creating;
mod deadlines;
mod deleting;
mod editing;
mod ending;
mod organisations;
mod orphans;
mod reading;
mod sleeping;
mod starting;
mod stopping;
mod templates;
