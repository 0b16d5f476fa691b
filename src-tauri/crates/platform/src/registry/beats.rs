//! Signs of life on their way to the database. Hot path.
//!
//! Agents beat at times that have nothing to do with each other, and a commit of its own for each would wait for the
//! disk each time. Those that come within a moment share one: every beat is on disk before its answer all the same
//! and nobody else waits with them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use molecule_store::{
    Error, Result as StoreResult,
    registry::{self, Beat, Beaten},
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::App;

/// How long a beat waits for others.
const TOGETHER: Duration = Duration::from_millis(20);
/// Where more than so many come within that time none waits: commits are shared then anyway.
const MANY: usize = 8;

/// Beats that wait for each other.
#[derive(Default)]
pub struct Beats {
    moment: Mutex<Moment>,
    many: Notify,
}

#[derive(Default)]
struct Moment {
    began: Option<Instant>,
    count: usize,
    waiting: Vec<Waiting>,
}

struct Waiting {
    beat: Beat,
    reply: oneshot::Sender<StoreResult<Beaten>>,
}

/// Who writes a beat.
enum Turn {
    /// Whoever came before it in this moment.
    Theirs,
    /// It is the first: it waits for the others, and writes all.
    First,
    /// Itself, now.
    Now(Waiting),
}

impl Beats {
    fn moment(&self) -> MutexGuard<'_, Moment> {
        // Plain values: nothing in here is half done when a holder panics.
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, one: Waiting) -> Turn {
        let mut moment = self.moment();
        let now = Instant::now();
        if moment.began.is_none_or(|began| now.duration_since(began) >= TOGETHER) {
            moment.began = Some(now);
            moment.count = 0;
        }
        moment.count += 1;
        if moment.count > MANY {
            if !moment.waiting.is_empty() {
                self.many.notify_one();
            }
            return Turn::Now(one);
        }
        moment.waiting.push(one);
        if moment.waiting.len() == 1 { Turn::First } else { Turn::Theirs }
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.moment().waiting)
    }
}

/// Takes a beat; answers when it is on disk.
///
/// # Errors
/// When its rows cannot be written.
pub async fn beat(app: &App, beat: Beat) -> StoreResult<Beaten> {
    let (reply, answer) = oneshot::channel();
    match app.beats.put(Waiting { beat, reply }) {
        Turn::Theirs => {}
        Turn::First => {
            let worker = Arc::clone(app);
            app.tasks.detach("heartbeats", async move {
                tokio::select! {
                    () = tokio::time::sleep(TOGETHER) => {}
                    () = worker.beats.many.notified() => {}
                }
                write(&worker, worker.beats.take()).await;
            });
        }
        Turn::Now(Waiting { beat, .. }) => return app.store.write(move |tx| registry::beat(tx, &beat)).await,
    }
    answer.await.unwrap_or(Err(Error::Closed))
}

async fn write(app: &App, waiting: Vec<Waiting>) {
    let (beats, replies): (Vec<_>, Vec<_>) = waiting.into_iter().map(|one| (one.beat, one.reply)).unzip();
    let beats = Arc::new(beats);
    let all = Arc::clone(&beats);
    let written = app.store.write(move |tx| all.iter().map(|one| registry::beat(tx, one)).collect()).await;
    let mut written = match written {
        Ok(beaten) => Vec::into_iter(beaten),
        Err(_) => Vec::new().into_iter(),
    };
    for (at, reply) in replies.into_iter().enumerate() {
        let beaten = match written.next() {
            Some(beaten) => Ok(beaten),
            // One of them failed, and so all: each for itself.
            None => {
                let all = Arc::clone(&beats);
                app.store.write(move |tx| registry::beat(tx, &all[at])).await
            }
        };
        // Whoever is gone has beaten all the same.
        drop(reply.send(beaten));
    }
}
