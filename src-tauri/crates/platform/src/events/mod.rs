//! Events: the bus between the store's outbox and whoever listens (10 §14, §15, R-20, R-87).
//!
//! Recorded and mirrored events come from the store, after their commit, with a number. Ephemeral ones
//! (heartbeats, typing) are published directly and carry none. Sockets and streams subscribe here, and so
//! do the idle timers of forwards. Hot path: fan-out.

mod replay;
mod routes;
mod sse;
mod ws;

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use molecule_model::{
    Timestamp, WorkspaceId,
    event::{Envelope, EventKind},
};
use molecule_store::Committed;
pub use replay::{Replay, replay};
pub use routes::router;
use serde_json::Value;
use tokio::sync::broadcast;

/// Events that a subscriber may lag behind before it is told to read the snapshot again.
const BUFFER: usize = 4096;

/// An event ready to send, encoded once for all sockets.
#[derive(Debug)]
pub struct Published {
    /// The event.
    pub envelope: Envelope,
    /// The workspace it is about.
    pub workspace: Option<WorkspaceId>,
    /// The envelope as JSON.
    pub json: String,
    /// Keys that stand beside the envelope for one event only, already inside `json`.
    pub kind: EventKind,
}

/// The bus. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    sender: broadcast::Sender<Arc<Published>>,
    last_seq: Arc<AtomicI64>,
    sockets: Arc<AtomicUsize>,
}

impl Default for Bus {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BUFFER), last_seq: Arc::default(), sockets: Arc::default() }
    }
}

impl Bus {
    /// Takes the events of one commit, in order. Called by the store's writer.
    pub fn publish_committed(&self, events: Vec<Committed>) {
        for event in events {
            self.last_seq.store(event.seq, Ordering::Release);
            let (kind, workspace) = (event.kind, event.workspace);
            self.send(kind, workspace, event.into_envelope());
        }
    }

    /// Publishes an event that is not stored.
    pub fn ephemeral(&self, kind: EventKind, workspace: Option<WorkspaceId>, at: Timestamp, payload: Value) {
        self.send(kind, workspace, Envelope::ephemeral(kind, workspace, at, payload));
    }

    /// Publishes an event that is not stored, whose payload's keys also stand at the top level.
    pub fn ephemeral_flat(&self, kind: EventKind, workspace: Option<WorkspaceId>, at: Timestamp, payload: Value) {
        let envelope = Envelope::ephemeral(kind, workspace, at, payload);
        let mut whole = serde_json::to_value(&envelope).unwrap_or_default();
        if let (Some(whole), Some(payload)) = (whole.as_object_mut(), envelope.payload.as_object()) {
            for (key, value) in payload {
                whole.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        drop(self.sender.send(Arc::new(Published { json: whole.to_string(), envelope, workspace, kind })));
    }

    fn send(&self, kind: EventKind, workspace: Option<WorkspaceId>, envelope: Envelope) {
        let json = serde_json::to_string(&envelope).unwrap_or_default();
        // No subscriber is no error.
        drop(self.sender.send(Arc::new(Published { envelope, workspace, json, kind })));
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Published>> {
        self.sender.subscribe()
    }

    /// The number of the newest event that was published.
    #[must_use]
    pub fn last_seq(&self) -> i64 {
        self.last_seq.load(Ordering::Acquire)
    }

    /// Sets where numbering stands, at start.
    pub fn set_last_seq(&self, seq: i64) {
        self.last_seq.store(seq, Ordering::Release);
    }

    /// Open sockets, for `/metrics`.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    fn socket_guard(&self) -> SocketGuard {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        SocketGuard(Arc::clone(&self.sockets))
    }
}

/// Counts a socket for as long as it is open.
struct SocketGuard(Arc<AtomicUsize>);

impl Drop for SocketGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
