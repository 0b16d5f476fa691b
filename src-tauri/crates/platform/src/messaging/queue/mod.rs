//! The busy queue (10 §10): what an agent could not take now waits here, on disk, until it can.
//!
//! A message comes in where its forward found the agent busy, or where an earlier one of the same pair still waits:
//! then it goes behind that one, so that no message overtakes another of its pair. It leaves by a drain, through
//! the same door as every other message, so that budget and hierarchy are asked again. A drain begins with a
//! heartbeat that tells of capacity, with a register, and with the end of a forward; where no beat comes, with the
//! sweep. One that delivered goes on.
//! What comes to no answer (tried too often, dropped, expired) is told to whoever waits for it.

mod drain;
mod routes;
mod sweep;
mod tell;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use drain::drain;
use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
pub use molecule_store::queue::{Occasion, Waiting};
use molecule_store::{
    Result as StoreResult, Tx,
    queue::{self, NewItem, PRIORITY},
};
pub(super) use routes::{__path_drop_stale, __path_item, drop_stale, item};
use serde_json::json;
pub use sweep::{recover, start, sweep_once};

use tokio::sync::Notify;

use super::{Delivered, Job, Sender, dispatch::Failure, ending};
use crate::App;

/// Changes of a count within this time are told as one.
const TOGETHER: Duration = Duration::from_millis(100);

/// What this process knows of the queue beside its rows.
#[derive(Default)]
pub struct Queue {
    /// What the last process had claimed was taken back: from now on there are drains.
    open: AtomicBool,
    /// Rows that this process delivers now.
    live: Arc<Mutex<HashSet<String>>>,
    /// Workspaces that something is delivered to out of the queue now, or that are looked at.
    lanes: Mutex<HashMap<WorkspaceId, Asked>>,
    /// Workspaces whose count is about to be told.
    changed: Mutex<HashSet<WorkspaceId>>,
    pruned: Mutex<Option<Timestamp>>,
}

/// What a lane was told.
struct Asked {
    /// It should look whether the agent can take more.
    look: Option<Occasion>,
    wake: Arc<Notify>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain sets: nothing in here is half done when a holder panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn hold(&self, id: &str) -> Held {
        locked(&self.live).insert(id.to_owned());
        Held { id: id.to_owned(), live: Arc::clone(&self.live) }
    }

    /// Tells the lane of `id` to look. Answers what wakes it where it must be begun first.
    fn ask(&self, id: WorkspaceId, occasion: Occasion) -> Option<Arc<Notify>> {
        let mut lanes = locked(&self.lanes);
        let mut begun = None;
        let lane = lanes.entry(id).or_insert_with(|| {
            let wake = Arc::<Notify>::default();
            begun = Some(Arc::clone(&wake));
            Asked { look: None, wake }
        });
        // A heartbeat knows more than we do, and a look is one of last resort.
        lane.look = match (lane.look, occasion) {
            (Some(Occasion::Heartbeat), _) | (_, Occasion::Heartbeat) => Some(Occasion::Heartbeat),
            (Some(Occasion::Ours), _) | (_, Occasion::Ours) => Some(Occasion::Ours),
            _ => Some(Occasion::Look),
        };
        lane.wake.notify_one();
        begun
    }

    /// What the lane of `id` was told since it last asked. `None`: nothing, it is `idle`, and therefore ends.
    fn asked(&self, id: WorkspaceId, idle: bool) -> Option<Option<Occasion>> {
        let mut lanes = locked(&self.lanes);
        let look = lanes.get_mut(&id).and_then(|lane| lane.look.take());
        if look.is_none() && idle {
            lanes.remove(&id);
            return None;
        }
        Some(look)
    }

    fn close_lane(&self, id: WorkspaceId) {
        locked(&self.lanes).remove(&id);
    }
}

/// A row that this process delivers now.
struct Held {
    id: String,
    live: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        locked(&self.live).remove(&self.id);
    }
}

/// Whether a message may wait: what says something, from the person or from an agent. Callers that have no id cannot
/// be queued, and an agent that keeps its own session wants to be asked again (S146).
#[must_use]
pub fn takes(app: &App, job: &Job) -> bool {
    job.options.drained.is_none()
        && job.is_kept()
        && !matches!(job.sender, Sender::System(_))
        && !app.presence.is_native(job.target, "session")
}

/// Puts a message into the queue, in the caller's own transaction.
///
/// # Errors
/// When the row cannot be written.
pub fn put(tx: &mut Tx<'_>, job: &Job) -> StoreResult<Waiting> {
    queue::enqueue(
        tx,
        &NewItem {
            workspace: job.target,
            caller: job.sender.workspace(),
            body: job.request(),
            method: &job.message.method,
            message_id: job.message.message_id.as_deref(),
            expires_in_seconds: job.message.expires_in_seconds,
            version: job.options.version.as_deref(),
            hop: job.hop,
            priority: PRIORITY,
        },
    )
}

/// The agent was busy: the message waits. `None` where it must not or could not (S146, S147).
pub async fn park(app: &App, job: &Arc<Job>, name: &str, failure: Failure) -> Option<Delivered> {
    // It is in the queue already, and goes back to it uncounted where the agent was busy (O-14). Where the agent took
    // it and was given up, that was an attempt: else whatever makes an agent hang would hold up its pair for ever.
    if let Some(drained) = &job.options.drained {
        let waiting = Waiting { queue_id: drained.queue_id.clone(), depth: 0 };
        return matches!(failure, Failure::Busy(_)).then_some(Delivered::Queued { waiting, events: None });
    }
    if !matches!(failure, Failure::Busy(_) | Failure::GivenUp(_)) || !takes(app, job) {
        return None;
    }
    let (waiting, events) = ending::park(app, job, name, failure).await?;
    announce(app, job.target);
    Some(Delivered::Queued { waiting, events })
}

/// Tells screens how many wait for a workspace, a moment later and only once.
pub fn announce(app: &App, id: WorkspaceId) {
    if !locked(&app.messaging.queue.changed).insert(id) {
        return;
    }
    let worker = Arc::clone(app);
    app.tasks.detach("queue-count", async move {
        tokio::time::sleep(TOGETHER).await;
        locked(&worker.messaging.queue.changed).remove(&id);
        let now = worker.now();
        match worker.store.read(move |conn| queue::waiting(conn, id, now)).await {
            Ok(count) => {
                let payload = json!({"queued_messages": count});
                worker.bus.ephemeral(EventKind::WorkspaceUpdated, Some(id), now, payload);
            }
            Err(error) => tracing::error!(workspace_id = %id, %error, "how many wait could not be read"),
        }
    });
}

/// Drops what waits for workspaces that were deleted, and tells those who wait for it.
///
/// # Errors
/// When the rows cannot be written.
pub fn drop_of_removed(tx: &mut Tx<'_>) -> StoreResult<()> {
    queue::drop_of_removed(tx)?
        .iter()
        .filter(|ended| !ended.is_told())
        .try_for_each(|ended| tell::unanswered(tx, ended, None))
}
