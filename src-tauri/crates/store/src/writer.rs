//! The writer thread: group commit of whatever waits.
//!
//! Hot path: every message, heartbeat and state change passes here.

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use molecule_model::{
    Timestamp, WorkspaceId,
    event::{EventKind, Payload},
};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Committed, Error, Now, Publish, Result,
    checkpoint::Checkpoints,
    directory::Directory,
    migrate,
    outbox::{self, NewEvent},
};

/// Jobs that may wait; beyond it callers wait to hand theirs in (back-pressure).
const QUEUE: usize = 4096;
/// Most jobs of one commit.
const BATCH: usize = 256;
/// Longest time a commit collects jobs.
const WINDOW: Duration = Duration::from_millis(2);
/// How long a commit that is smaller than the last one waits for the next job.
const LINGER: Duration = Duration::from_micros(50);

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
    pub fn record(&mut self, kind: EventKind, workspace: WorkspaceId, payload: impl Into<Payload>) -> Result<i64> {
        self.emit(NewEvent::recorded(kind, Some(workspace), payload))
    }
}

/// A job without its result type: runs, keeps the outcome, answers later.
trait Job: Send {
    /// Runs and keeps the outcome. `true`: it may be committed.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Whether it failed for want of space.
    fn found_full(&self) -> bool;
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
        let outcome = outcome.map_err(|error| match error {
            Error::Sqlite(full) if is_full(&full) => Error::Full,
            other => other,
        });
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        good
    }

    fn found_full(&self) -> bool {
        matches!(self.outcome, Some(Err(Error::Full)))
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
    full: Arc<AtomicBool>,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Writer {
    pub(crate) fn start(
        path: &Path,
        now: Now,
        publish: Publish,
        directory: Arc<Directory>,
    ) -> std::result::Result<Self, migrate::OpenError> {
        let mut conn = migrate::connect_writer(path)?;
        directory.follow(&mut conn).map_err(migrate::OpenError::Open)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (path, full) = (path.to_owned(), Arc::<AtomicBool>::default());
        let noted = Arc::clone(&full);
        let run = move || {
            let checkpoints = Checkpoints::start(&path, &mut conn);
            Loop { conn, now, publish, directory, full: noted, jobs, usual: 0, checkpoints }.run();
        };
        let thread =
            std::thread::Builder::new().name("store-writer".into()).spawn(run).map_err(migrate::OpenError::Thread)?;
        Ok(Self { queue, full, thread: Arc::new(Mutex::new(Some(thread))) })
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

    pub(crate) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
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
    directory: Arc<Directory>,
    /// The file system was full at the last commit.
    full: Arc<AtomicBool>,
    jobs: mpsc::Receiver<Message>,
    /// How many jobs the last commit had.
    usual: usize,
    checkpoints: Checkpoints,
}

impl Loop {
    fn run(mut self) {
        while let Some(message) = next_of(&mut self.jobs, self.usual > 1).or_else(|| self.jobs.blocking_recv()) {
            let closing = match message {
                Message::Job(first) => self.commit(first),
                Message::Close(reply) => Some(reply),
            };
            if let Some(reply) = closing {
                self.jobs.close();
                self.checkpoints.stop();
                if let Err(error) = self.conn.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
                    tracing::warn!(%error, "the last checkpoint failed");
                }
                let _ = reply.send(());
                return;
            }
        }
    }

    /// One transaction: `first`, and whatever is handed in while it and the others run. When one fails, the
    /// whole is undone and each is done by itself: cheaper than a savepoint a job, since failing is rare.
    /// Answers who asked to close meanwhile.
    fn commit(&mut self, first: Box<dyn Job>) -> Option<oneshot::Sender<()>> {
        let started = Instant::now();
        let mut closing = None;
        let mut batch = Vec::with_capacity(self.usual.max(8));
        let Some(mut tx) = begin(&self.conn, &self.now) else {
            first.answer(Some(Error::Closed));
            return None;
        };
        let mut next = Some(first);
        let mut good = true;
        while let Some(mut job) = next.take() {
            good = job.run(&mut tx);
            batch.push(job);
            if !good || batch.len() >= BATCH || started.elapsed() >= WINDOW {
                break;
            }
            match next_of(&mut self.jobs, batch.len() < self.usual) {
                Some(Message::Job(job)) => next = Some(job),
                Some(Message::Close(reply)) => closing = Some(reply),
                None => {}
            }
        }
        self.usual = batch.len();
        let events = std::mem::take(&mut tx.events);
        if good {
            self.finish(batch, events);
        } else {
            self.rollback();
            for job in batch {
                self.alone(job);
            }
        }
        closing
    }

    /// A transaction of its own for one job.
    fn alone(&self, mut job: Box<dyn Job>) {
        let Some(mut tx) = begin(&self.conn, &self.now) else { return job.answer(Some(Error::Closed)) };
        let good = job.run(&mut tx);
        let events = std::mem::take(&mut tx.events);
        if good {
            self.finish(vec![job], events);
        } else {
            self.rollback();
            self.full.fetch_or(job.found_full(), Ordering::Relaxed);
            job.answer(None);
        }
    }

    /// Commits what `batch` did, publishes its events and answers everybody.
    fn finish(&self, batch: Vec<Box<dyn Job>>, events: Vec<Committed>) {
        let failed = match self.conn.execute_batch("COMMIT") {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(%error, "a commit failed");
                self.rollback();
                Some(error)
            }
        };
        self.full.store(failed.as_ref().is_some_and(is_full), Ordering::Relaxed);
        // Forget before answering: whoever reads its answer finds its own change.
        self.directory.committed(&self.conn);
        // Publish before answering: whoever reads its answer has its event on the bus.
        if failed.is_none() && !events.is_empty() {
            (self.publish)(events);
        }
        for job in batch {
            job.answer(failed.as_ref().map(commit_error));
        }
        self.checkpoints.committed(&self.conn);
    }

    fn rollback(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a rollback failed");
        }
    }
}

/// Begins a transaction; `None`, logged, where the file cannot be had.
fn begin<'a>(conn: &'a Connection, now: &Now) -> Option<Tx<'a>> {
    if let Err(error) = conn.execute_batch("BEGIN IMMEDIATE") {
        tracing::error!(%error, "a write transaction did not begin");
        return None;
    }
    Some(Tx { conn, now: now(), events: Vec::new() })
}

/// What waits in the queue. With `linger`, whoever was answered a moment ago is given a moment to come back:
/// callers that shared a commit then share the next one too, instead of splitting into two halves that wait
/// for each other's disk.
fn next_of(jobs: &mut mpsc::Receiver<Message>, linger: bool) -> Option<Message> {
    let found = jobs.try_recv().ok();
    if found.is_some() || !linger {
        return found;
    }
    let began = Instant::now();
    while began.elapsed() < LINGER {
        for _ in 0..64 {
            std::hint::spin_loop();
        }
        if let Ok(message) = jobs.try_recv() {
            return Some(message);
        }
        std::thread::yield_now();
    }
    None
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// An error that several callers get: SQLite's own cannot be cloned, its class can.
fn commit_error(error: &rusqlite::Error) -> Error {
    match error {
        full if is_full(full) => Error::Full,
        rusqlite::Error::SqliteFailure(e, text) => Error::Sqlite(rusqlite::Error::SqliteFailure(*e, text.clone())),
        _ => Error::Closed,
    }
}
