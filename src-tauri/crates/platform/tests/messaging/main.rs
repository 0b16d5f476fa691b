//! Registry, messages and activity against a real server in this process, with agents that are small HTTP servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod activity;
mod addresses;
mod agent;
mod bed;
mod callers;
mod delegation;
mod delivery;
mod failures;
mod files_forwarded;
mod files_kept;
mod loops;
mod mcp;
mod mcp_tools;
mod moody;
mod network;
mod poll;
mod presence;
mod queue;
mod registry;
mod restart;
mod retention;
mod search;
mod slow;
mod streaming;
mod test_token;
mod versions;
