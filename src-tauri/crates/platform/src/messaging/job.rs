//! One message on its way through the door.

use std::{sync::atomic::AtomicBool, time::Duration};

use molecule_a2a::{Method, Normalised};
use molecule_model::{WorkspaceId, id};
use molecule_store::activity::NewActivity;

use super::Sender;

/// A message to deliver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Who sends.
    pub sender: Sender,
    /// To whom.
    pub target: WorkspaceId,
    /// What, in its normal form.
    pub message: Normalised,
    /// How.
    pub options: Options,
}

/// How a message is delivered.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it leaves a row (10 §9.10); token usage is counted all the same.
    pub log: bool,
    /// The caller's own deadline (`X-Timeout`), instead of the ceiling.
    pub timeout: Option<Duration>,
    /// The caller's `A2A-Version` header.
    pub version: Option<String>,
    /// It comes out of the queue.
    pub drained: Option<Drained>,
}

/// A message that comes out of the queue: it was judged when it was accepted.
#[derive(Clone, Debug)]
pub struct Drained {
    /// Its row.
    pub queue_id: String,
    /// How many messages caused it.
    pub hop: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { log: true, timeout: None, version: None, drained: None }
    }
}

/// A delivery with the id of its row.
#[derive(Debug)]
pub struct Job {
    pub(super) id: String,
    pub(super) sender: Sender,
    pub(super) target: WorkspaceId,
    pub(super) message: Normalised,
    pub(super) options: Options,
    /// How many messages caused it.
    pub(super) hop: u32,
    /// It may wait in the queue.
    pub(super) queues: bool,
    /// Its in-flight row is on disk, or on its way there.
    pub(super) noted: AtomicBool,
}

impl Job {
    pub(super) fn new(delivery: Delivery) -> Self {
        let Delivery { sender, target, message, options } = delivery;
        Self {
            id: id::appended(),
            sender,
            target,
            message,
            options,
            hop: 0,
            queues: false,
            noted: AtomicBool::new(false),
        }
    }

    /// Whether it says something to the agent. What does not (`tasks/get`, `tasks/cancel`, unknown methods) leaves
    /// its row, but is no turn: it is not kept over a crash, does not count as work and is no answer for a chat.
    pub(super) fn is_conversation(&self) -> bool {
        self.message.message_id.is_some()
            || matches!(Method::parse(&self.message.method), Some((Method::Send | Method::Stream, _)))
    }

    /// Whether a crash must not take it away unseen.
    pub(super) fn is_kept(&self) -> bool {
        self.options.log && self.is_conversation()
    }

    /// The envelope as text.
    pub(super) fn request(&self) -> &str {
        // The normal form is JSON, and so UTF-8.
        std::str::from_utf8(&self.message.bytes).unwrap_or_default()
    }

    /// The row of 10 §9.10 with what is known beforehand.
    pub(super) fn row(&self) -> NewActivity {
        NewActivity {
            source_id: self.sender.source_id(),
            target_id: Some(self.target.to_string()),
            method: Some(self.message.method.clone()),
            request_body: Some(self.request().to_owned()),
            ..NewActivity::new(self.target, "a2a_receive")
        }
    }
}
