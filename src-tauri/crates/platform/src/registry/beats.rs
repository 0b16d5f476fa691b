//! Signs of life on their way to the database. Hot path.
//!
//! Agents beat at times that have nothing to do with each other, and a commit of its own for each would wait for the
//! disk each time. Those that come within a moment share one: every beat is on disk before its answer all the same
//! and nobody else waits with them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use molecule_store::{
    Error, Result as StoreResult,
    registry::{self, Beat, Beaten},
};
use tokio::sync::{Notify, oneshot};

use crate::App;

/// How long a beat waits for others.
const TOGETHER: Duration = Duration::from_millis(20);
/// So many wait for no more.
const ENOUGH: usize = 24;

/// Beats that wait for each other.
#[derive(Default)]
pub struct Beats {
    waiting: Mutex<Vec<Waiting>>,
    enough: Notify,
}

struct Waiting {
    beat: Beat,
    reply: oneshot::Sender<StoreResult<Beaten>>,
}

impl Beats {
    fn put(&self, one: Waiting) -> usize {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(one);
        waiting.len()
    }

    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes a beat; answers when it is on disk.
///
/// # Errors
/// When its rows cannot be written.
pub async fn beat(app: &App, beat: Beat) -> StoreResult<Beaten> {
    let (reply, answer) = oneshot::channel();
    match app.beats.put(Waiting { beat, reply }) {
        1 => {
            let worker = Arc::clone(app);
            app.tasks.detach("heartbeats", async move {
                tokio::select! {
                    () = tokio::time::sleep(TOGETHER) => {}
                    () = worker.beats.enough.notified() => {}
                }
                write(&worker, worker.beats.take()).await;
            });
        }
        ENOUGH => app.beats.enough.notify_one(),
        _ => {}
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
