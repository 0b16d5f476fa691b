//! The writer thread: group commit of whatever waits.
//!
//! Hot path: every message, heartbeat and state change passes here.

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Committed, Error, Now, Publish, Result, migrate,
    outbox::{self, NewEvent},
};

/// Jobs that may wait; beyond it callers wait to hand theirs in (back-pressure).
const QUEUE: usize = 4096;
/// Most jobs of one commit.
const BATCH: usize = 256;
/// Longest time a commit collects jobs.
const WINDOW: Duration = Duration::from_millis(2);

/// One transaction as a job sees it.
pub struct Tx<'a> {
    conn: &'a Connection,
    now: Timestamp,
    events: Vec<Committed>,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl Tx<'_> {
    /// The time of this transaction; the only time its rows carry.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds an event to the outbox: it is published when, and only when, this transaction is on disk.
    ///
    /// # Errors
    /// When the row cannot be written; the transaction is then undone.
    pub fn emit(&mut self, event: NewEvent) -> Result<i64> {
        let committed = outbox::insert(self.conn, self.now, event)?;
        let seq = committed.seq;
        self.events.push(committed);
        Ok(seq)
    }

    /// [`Self::emit`] for the common case: a recorded event about one workspace.
    ///
    /// # Errors
    /// As [`Self::emit`].
    pub fn record(&mut self, kind: EventKind, workspace: WorkspaceId, payload: serde_json::Value) -> Result<i64> {
        self.emit(NewEvent::recorded(kind, Some(workspace), payload))
    }
}

/// A job without its result type: runs, keeps the outcome, answers later.
trait Job: Send {
    /// Runs and keeps the outcome. `true`: it may be committed.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller with what was kept, or with `instead` where the commit failed.
    fn answer(self: Box<Self>, instead: Option<Error>);
}

struct Typed<T, F> {
    job: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Result<T> + Send> Job for Typed<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.job)(tx))).unwrap_or_else(|_| {
            tracing::error!("a database job panicked");
            Err(Error::Panicked)
        });
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        good
    }

    fn answer(self: Box<Self>, instead: Option<Error>) {
        let result = match instead {
            Some(error) => Err(error),
            None => self.outcome.unwrap_or(Err(Error::Closed)),
        };
        // The caller may have gone; the rows stay all the same.
        drop(self.reply.send(result));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The handle to the writer thread.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Writer {
    pub(crate) fn start(path: &Path, now: Now, publish: Publish) -> std::result::Result<Self, migrate::OpenError> {
        let conn = migrate::connect_writer(path)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || Loop { conn, now, publish, jobs }.run())
            .map_err(migrate::OpenError::Thread)?;
        Ok(Self { queue, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { job, outcome: None, reply });
        self.queue.send(Message::Job(job)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(crate) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Message::Close(reply)).await.is_ok() {
            drop(done.await);
        }
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }
}

struct Loop {
    conn: Connection,
    now: Now,
    publish: Publish,
    jobs: mpsc::Receiver<Message>,
}

impl Loop {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut closing = None;
            let mut batch = Vec::with_capacity(16);
            let started = Instant::now();
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Job(job) => batch.push(job),
                    Message::Close(reply) => {
                        closing = Some(reply);
                        break;
                    }
                }
                if batch.len() >= BATCH || started.elapsed() >= WINDOW {
                    break;
                }
                next = self.jobs.try_recv().ok();
            }
            if !batch.is_empty() {
                self.commit(batch);
            }
            if let Some(reply) = closing {
                self.jobs.close();
                if let Err(error) = self.conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
                    tracing::warn!(%error, "the last checkpoint failed");
                }
                let _ = reply.send(());
                return;
            }
        }
    }

    /// All jobs in one transaction. When one fails, the whole is undone and each is done by itself:
    /// cheaper than a savepoint a job, since failing is rare.
    fn commit(&self, mut batch: Vec<Box<dyn Job>>) {
        if batch.len() == 1 || !self.attempt(&mut batch, true) {
            let mut single = Vec::with_capacity(1);
            for job in batch {
                single.push(job);
                self.attempt(&mut single, false);
                single.clear();
            }
        }
    }

    /// One transaction over `batch`. Answers `false`, with nothing changed and nobody answered, when
    /// `together` is set and a job failed; otherwise every job was answered and `batch` is empty.
    fn attempt(&self, batch: &mut Vec<Box<dyn Job>>, together: bool) -> bool {
        if let Err(error) = self.conn.execute_batch("BEGIN IMMEDIATE") {
            tracing::error!(%error, "a write transaction did not begin");
            for job in batch.drain(..) {
                job.answer(Some(Error::Closed));
            }
            return true;
        }
        let mut tx = Tx { conn: &self.conn, now: (self.now)(), events: Vec::new() };
        // Not `all()` on an iterator adaptor that stops early by accident: stopping early is the point here.
        let good = batch.iter_mut().all(|job| job.run(&mut tx));
        let events = std::mem::take(&mut tx.events);
        if !good {
            self.rollback();
            if together {
                return false;
            }
            for job in batch.drain(..) {
                job.answer(None);
            }
            return true;
        }
        match self.conn.execute_batch("COMMIT") {
            Ok(()) => {
                // Publish before answering: whoever reads its answer has its event on the bus.
                if !events.is_empty() {
                    (self.publish)(events);
                }
                for job in batch.drain(..) {
                    job.answer(None);
                }
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                self.rollback();
                for job in batch.drain(..) {
                    job.answer(Some(commit_error(&error)));
                }
            }
        }
        true
    }

    fn rollback(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a rollback failed");
        }
    }
}

/// An error that several callers get: SQLite's own cannot be cloned, its class can.
fn commit_error(error: &rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(e, _) if e.code == ErrorCode::DiskFull => Error::Full,
        rusqlite::Error::SqliteFailure(e, text) => Error::Sqlite(rusqlite::Error::SqliteFailure(*e, text.clone())),
        _ => Error::Closed,
    }
}
