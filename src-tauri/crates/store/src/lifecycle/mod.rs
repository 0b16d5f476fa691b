//! A workspace's row through its life: launch records, failures, edits, removal (20 §2, §3, §7).
//!
//! Statuses are written by [`workspaces::transition`](crate::workspaces::transition) alone; what stands here writes
//! the columns beside a transition and the events that belong to it, in the same transaction.

mod deadline;
mod edit;
mod hibernation;
mod launch;
mod orphans;
mod removal;
mod team;
#[cfg(test)]
mod testing;

pub use deadline::{Starting, expire, starting};
pub use edit::{Edit, describe, edit, given_url};
pub use hibernation::{Sleeper, claim_idle, sleepers};
pub use launch::{begin, claim, fail, forget_url, launched, process_gone, unclaim};
pub use orphans::{revoke_stale, with_stale_tokens};
pub use removal::{purge, remove};
pub use team::below;
