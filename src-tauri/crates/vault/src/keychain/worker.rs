//! The one thread that talks to the keychain.
//!
//! A locked keychain on a desktop blocks its caller until somebody answers the prompt, perhaps for
//! ever. So every call is a job in this thread's queue and every caller has a deadline. A job whose
//! caller has gone before it began is skipped; while one hangs past its deadline, further callers
//! are refused at once instead of queueing up behind it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{Keychain, KeychainError};

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;
/// The caller left before the job began.
const DROPPED: u8 = 3;
/// The caller left while the job ran.
const LATE: u8 = 4;

/// Whether a caller queues behind a call that hangs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// No: it has somewhere else to put the value.
    RefuseWhileHung,
    /// Yes: a person asked for it and may be at the prompt right now.
    Queue,
}

type Job = Box<dyn FnOnce(&dyn Keychain) + Send>;

/// The handle to the thread, which ends when the handle is dropped and its last call returned.
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
    max_value_bytes: usize,
}

#[derive(Default)]
struct Shared {
    /// Calls that still run past their deadline: 0 or, for an instant, more.
    hung: AtomicUsize,
    /// A call that was given up came to a good end after all.
    late: Notify,
}

impl Worker {
    /// Starts the thread.
    pub fn start(keychain: Arc<dyn Keychain>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let max_value_bytes = keychain.max_value_bytes();
        std::thread::Builder::new().name("molecule-keychain".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                job(&*keychain);
            }
        })?;
        Ok(Self { jobs, shared: Arc::default(), max_value_bytes })
    }

    /// The longest value in bytes that this keychain takes.
    pub fn max_value_bytes(&self) -> usize {
        self.max_value_bytes
    }

    /// Resolves each time a call that was given up has ended well.
    pub async fn late(&self) {
        self.shared.late.notified().await;
    }

    /// Runs `job` on the thread and waits for its answer, at most for `limit`. Dropping the future
    /// counts as giving up.
    pub async fn call<T: Send + 'static>(
        &self,
        what: &'static str,
        limit: Duration,
        patience: Patience,
        job: impl FnOnce(&dyn Keychain) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let began = Instant::now();
        let answer = if patience == Patience::RefuseWhileHung && self.shared.hung.load(Ordering::Acquire) > 0 {
            Err(KeychainError::Unanswered)
        } else {
            self.queue(limit, job).await
        };
        let outcome = answer.as_ref().err().map_or("ok", KeychainError::kind);
        let elapsed_ms = elapsed_ms(began);
        tracing::debug!(store = "keychain", call = what, outcome, elapsed_ms, "keychain call");
        answer
    }

    async fn queue<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce(&dyn Keychain) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let caller = Caller { state: Arc::default(), shared: self.shared.clone() };
        let (state, shared) = (caller.state.clone(), self.shared.clone());
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |keychain| {
            if state.compare_exchange(WAITING, RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| job(keychain))).unwrap_or_else(panicked);
            let good = result.is_ok();
            if state.compare_exchange(RUNNING, DONE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                let _ = reply.send(result);
                return;
            }
            shared.hung.fetch_sub(1, Ordering::AcqRel);
            // A dismissed prompt is an answer too, but asking again would only show it again.
            if good {
                shared.late.notify_one();
            }
        });
        self.jobs.send(job).map_err(|_| KeychainError::Absent)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.unwrap_or(Err(KeychainError::Refused)),
            Err(_) => Err(KeychainError::Unanswered),
        }
    }
}

/// The waiting side of one call; when it goes, the job learns that nobody waits.
struct Caller {
    state: Arc<AtomicU8>,
    shared: Arc<Shared>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let swap = |from, to| self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if swap(WAITING, DROPPED) {
            return;
        }
        // Counted before the job can see it, so that the thread never subtracts first.
        self.shared.hung.fetch_add(1, Ordering::AcqRel);
        if !swap(RUNNING, LATE) {
            self.shared.hung.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn panicked<T>(_: Box<dyn Any + Send>) -> Result<T, KeychainError> {
    tracing::error!(store = "keychain", "the keychain library panicked");
    Err(KeychainError::Refused)
}

/// Whole milliseconds since `began`, for log lines.
pub(crate) fn elapsed_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        time::Duration,
    };

    use super::{Patience, Worker};
    use crate::{KeychainError, MemoryKeychain};

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);

    fn worker() -> Worker {
        Worker::start(Arc::new(MemoryKeychain::new())).unwrap()
    }

    #[tokio::test]
    async fn a_panic_in_the_library_is_an_answer_and_the_thread_lives_on() {
        let worker = worker();
        let bad = worker.call::<()>("test", LONG, Patience::Queue, |_| panic!("as zbus may")).await;
        assert_eq!(bad, Err(KeychainError::Refused));
        let good = worker.call("test", LONG, Patience::Queue, |_| Ok(7)).await;
        assert_eq!(good, Ok(7));
    }

    #[tokio::test]
    async fn a_call_past_its_deadline_is_told_so_and_others_do_not_wait_behind_it() {
        let worker = worker();
        let (go, wait) = mpsc::channel::<()>();
        let slow = worker.call("test", SHORT, Patience::Queue, move |_| {
            let _ = wait.recv();
            Ok(())
        });
        assert_eq!(slow.await, Err(KeychainError::Unanswered));
        let hasty = worker.call("test", LONG, Patience::RefuseWhileHung, |_| Ok(())).await;
        assert_eq!(hasty, Err(KeychainError::Unanswered));

        // Given up before it began: it must never run.
        let (ran, runs) = mpsc::channel();
        let queued = worker.call("test", SHORT, Patience::Queue, move |_| {
            ran.send(()).unwrap();
            Ok(())
        });
        assert_eq!(queued.await, Err(KeychainError::Unanswered));

        go.send(()).unwrap();
        worker.late().await;
        let next = worker.call("test", LONG, Patience::RefuseWhileHung, |_| Ok(())).await;
        assert_eq!(next, Ok(()));
        assert!(runs.recv().is_err());
    }

    #[tokio::test]
    async fn dropping_the_future_counts_as_giving_up() {
        let worker = worker();
        let (go, wait) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let call = worker.call("test", LONG, Patience::Queue, move |_| {
            let _ = began.send(());
            let _ = wait.recv();
            Ok(())
        });
        tokio::select! {
            _ = call => unreachable!(),
            _ = begun => {}
        }
        let hasty = worker.call("test", LONG, Patience::RefuseWhileHung, |_| Ok(())).await;
        assert_eq!(hasty, Err(KeychainError::Unanswered));
        go.send(()).unwrap();
        worker.late().await;
        assert_eq!(worker.call("test", LONG, Patience::RefuseWhileHung, |_| Ok(())).await, Ok(()));
    }
}
