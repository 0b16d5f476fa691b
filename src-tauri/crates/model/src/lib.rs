//! Ids, statuses, events, wire payloads and access rules: pure, without I/O or clock.
//!
//! Everything that two layers must agree on is written once, here: the status machine ([`status`]),
//! who may talk to whom ([`access`]), the event catalogue ([`event`]), the shape of times and ids on
//! the wire ([`time`], [`id`]), and what never leaves the machine in clear text ([`redact`]).

pub mod access;
pub mod chat_file;
pub mod event;
pub mod id;
pub mod preview;
pub mod redact;
pub mod runtime;
pub mod status;
pub mod time;
pub mod wire;

pub use id::WorkspaceId;
pub use status::{Status, Trigger};
pub use time::Timestamp;
