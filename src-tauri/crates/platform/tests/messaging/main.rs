//! Registry, messages and activity against a real server in this process, with agents that are small HTTP servers.

mod activity;
mod agent;
mod bed;
mod callers;
mod delegation;
mod delivery;
mod failures;
mod loops;
mod poll;
mod presence;
mod registry;
mod restart;
mod streaming;
