//! The store through its own doors: what an answer means, what a crash leaves, what is refused.
#![expect(clippy::unwrap_used, reason = "a test")]

mod bed;
mod crash;
mod credentials;
mod delegations;
mod opening;
mod outbox;
mod queue;
mod statuses;
mod writing;
