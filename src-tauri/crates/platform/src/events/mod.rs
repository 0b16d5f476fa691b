//! Events: the bus between the store's outbox and whoever listens (10 §14, §15, R-20, R-87).
//!
//! Recorded and mirrored events come from the store, after their commit, with a number. Ephemeral ones
//! (heartbeats, typing) are published directly and carry none. Sockets and streams subscribe here, and so
//! do the idle timers of forwards. Hot path: fan-out.

mod feed;
mod replay;
mod routes;
mod sse;
mod ws;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use molecule_model::{
    Timestamp, WorkspaceId,
    event::{Envelope, EventKind, Payload},
};
use molecule_store::Committed;
pub use replay::{Replay, replay};
pub use routes::router;
use serde_json::Value;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Events that a subscriber may lag behind.
const BUFFER: usize = 4096;
/// JSON of events that is held for those who lag behind, bytes; what it is parsed into takes a few times as much.
/// Whoever needs older ones reads them from the outbox, so that one who sleeps costs no memory (TARGETS P6).
const HELD: usize = 1 << 20;

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
    sender: broadcast::Sender<Weak<Published>>,
    held: Arc<Mutex<Held>>,
    ear: Arc<OnceLock<Ear>>,
    last_seq: Arc<AtomicI64>,
    sockets: Arc<AtomicUsize>,
}

/// Hears of whom each event is, where it is published.
type Ear = Box<dyn Fn(WorkspaceId) + Send + Sync>;

impl Default for Bus {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BUFFER),
            held: Arc::default(),
            ear: Arc::default(),
            last_seq: Arc::default(),
            sockets: Arc::default(),
        }
    }
}

/// The newest events: what keeps them alive until their subscribers have read them.
#[derive(Default)]
struct Held {
    events: VecDeque<Arc<Published>>,
    bytes: usize,
}

impl Held {
    fn push(&mut self, event: Arc<Published>) {
        self.bytes += event.json.len();
        self.events.push_back(event);
        while self.events.len() > BUFFER || (self.bytes > HELD && self.events.len() > 1) {
            let gone = self.events.pop_front();
            self.bytes -= gone.map_or(0, |event| event.json.len());
        }
    }
}

/// Everything that is published from the subscription on.
pub struct Listening(broadcast::Receiver<Weak<Published>>);

impl Listening {
    /// The next event.
    ///
    /// # Errors
    /// `Lagged` where events were dropped in between, `Closed` at the server's end.
    pub async fn recv(&mut self) -> Result<Arc<Published>, RecvError> {
        self.0.recv().await?.upgrade().ok_or(RecvError::Lagged(1))
    }

    /// The next event, where there is one already.
    ///
    /// # Errors
    /// As [`Self::recv`], and `Empty`.
    pub fn try_recv(&mut self) -> Result<Arc<Published>, TryRecvError> {
        self.0.try_recv()?.upgrade().ok_or(TryRecvError::Lagged(1))
    }
}

impl Bus {
    /// Takes the events of one commit, in order. Called by the store's writer.
    pub fn publish_committed(&self, events: Vec<Committed>) {
        for event in events {
            self.last_seq.store(event.seq, Ordering::Release);
            let (kind, workspace) = (event.kind, event.workspace);
            self.send(kind, workspace, || event.into_envelope());
        }
    }

    /// Publishes an event that is not stored.
    pub fn ephemeral(&self, kind: EventKind, workspace: Option<WorkspaceId>, at: Timestamp, payload: Value) {
        self.send(kind, workspace, || Envelope::ephemeral(kind, workspace, at, payload.into()));
    }

    /// Publishes an event that is not stored, whose payload's keys also stand at the top level.
    pub fn ephemeral_flat(&self, kind: EventKind, workspace: Option<WorkspaceId>, at: Timestamp, payload: Value) {
        self.hand_out(workspace, || {
            let envelope = Envelope::ephemeral(kind, workspace, at, Payload::of(&payload));
            let mut whole = serde_json::to_value(&envelope).unwrap_or_default();
            if let (Some(whole), Value::Object(payload)) = (whole.as_object_mut(), payload) {
                for (key, value) in payload {
                    whole.entry(key).or_insert(value);
                }
            }
            Published { json: whole.to_string(), envelope, workspace, kind }
        });
    }

    fn send(&self, kind: EventKind, workspace: Option<WorkspaceId>, envelope: impl FnOnce() -> Envelope) {
        self.hand_out(workspace, || {
            let envelope = envelope();
            let json = serde_json::to_string(&envelope).unwrap_or_default();
            Published { envelope, workspace, json, kind }
        });
    }

    /// Nobody subscribed: nobody needs its JSON. Whoever subscribes now and resumes finds it in the outbox.
    fn hand_out(&self, workspace: Option<WorkspaceId>, event: impl FnOnce() -> Published) {
        if let (Some(ear), Some(id)) = (self.ear.get(), workspace) {
            ear(id);
        }
        if self.sender.receiver_count() == 0 {
            return;
        }
        let event = Arc::new(event());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.sender.send(Arc::downgrade(&event)));
        held.push(event);
    }

    /// Tells `ear` at once of whom each event is; it must be quick, since it also runs on the store's writer. Only the
    /// first one is told.
    pub fn tell(&self, ear: impl Fn(WorkspaceId) + Send + Sync + 'static) {
        drop(self.ear.set(Box::new(ear)));
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> Listening {
        Listening(self.sender.subscribe())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn publish(bus: &Bus, times: std::ops::Range<usize>) {
        for n in times {
            bus.ephemeral(EventKind::PlatformChanged, None, Timestamp::from_micros(0), json!({"n": n}));
        }
    }

    #[test]
    fn who_lags_by_the_whole_buffer_misses_nothing() {
        let bus = Bus::default();
        let mut late = bus.subscribe();
        publish(&bus, 0..BUFFER);
        for n in 0..BUFFER {
            let event = late.try_recv().unwrap_or_else(|error| panic!("event {n}: {error}"));
            assert_eq!(event.envelope.payload.fields()["n"], n);
        }
        publish(&bus, 0..BUFFER + 1);
        assert!(matches!(late.try_recv(), Err(TryRecvError::Lagged(1))));
    }

    #[test]
    fn large_events_are_held_up_to_their_bytes_and_one_always_is() {
        let bus = Bus::default();
        let mut late = bus.subscribe();
        let large = "x".repeat(HELD / 2);
        for _ in 0..3 {
            bus.ephemeral(EventKind::PlatformChanged, None, Timestamp::from_micros(0), json!({"text": large}));
        }
        // Two are more than fits, with what stands around the text.
        assert!(matches!(late.try_recv(), Err(TryRecvError::Lagged(_))));
        assert!(matches!(late.try_recv(), Err(TryRecvError::Lagged(_))));
        assert!(late.try_recv().is_ok());
    }
}
