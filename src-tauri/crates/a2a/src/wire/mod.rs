//! The v0.3 objects, typed (40 §10.2, §10.3).
//!
//! They are read with patience (`type` beside `kind`, v1 names of roles and states, absent ids) and
//! written as v0.3 has it. Members that this crate does not know are kept in `extra` and written
//! again. The proxy relays bytes and needs none of this; it is for whoever answers or asks.

mod event;
mod kind;
mod message;
mod part;
mod task;

pub use event::{ArtifactUpdate, Event, StatusUpdate};
pub use kind::{ArtifactUpdateKind, MessageKind, StatusUpdateKind, TaskKind};
pub use message::{Message, Role};
pub use part::{FileContent, FilePart, Part};
pub use task::{Artifact, Task, TaskState, TaskStatus};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Members by name, in their order.
pub type Members = Map<String, Value>;

/// The parameters of `message/send` and `message/stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendParams {
    /// What is said.
    pub message: Message,
    /// How the answer is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Members>,
    /// About the request: history, tracing (40 §10.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Members that this crate does not know; `expires_in_seconds` among them.
    #[serde(flatten)]
    pub extra: Members,
}

impl SendParams {
    /// Just a message.
    #[must_use]
    pub fn new(message: Message) -> Self {
        Self { message, configuration: None, metadata: None, extra: Members::new() }
    }

    /// The same with one more entry in its metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.metadata.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }
}

/// The parameters of `tasks/get`, `tasks/cancel` and `tasks/resubscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskParams {
    /// The task's id.
    pub id: String,
    /// How many of its messages the answer may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_length: Option<u32>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

impl TaskParams {
    /// Just the id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), history_length: None, extra: Members::new() }
    }
}

#[cfg(test)]
mod tests;
