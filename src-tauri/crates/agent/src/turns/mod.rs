//! Turns: one message, worked on until there is an answer (10 §9, 40 §10).
//!
//! A turn is a task of the A2A protocol; its id is the message's id, so that a repeated message finds the
//! turn that works on it or has answered it. Whoever watches a turn reads its events from the beginning and
//! waits for more. Dropping the work of a turn ends what it started: streams, commands, questions.

mod files;
mod log;
mod memory;
mod place;
mod question;
mod run;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use memory::Memory;
use molecule_a2a::wire::Message;
use place::Places;
pub(crate) use run::{begin, history, initial};
use tokio_util::task::TaskTracker;
pub(crate) use turn::{Ending, Incoming, Step, Turn};

/// Finished turns that are kept for whoever asks again.
const KEPT: usize = 100;

/// Every turn of this agent.
#[derive(Default)]
pub(crate) struct Turns {
    known: Mutex<Known>,
    places: Places,
    /// The tasks that work on turns.
    work: TaskTracker,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Arc<Turn>>,
    order: VecDeque<String>,
}

impl Turns {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Turn>> {
        self.known().by_id.get(id).cloned()
    }

    /// The turn of this message; `true`: it is new and nobody works on it yet. A message that failed or was
    /// called off is worked on anew when it comes again; one that was answered is not, not even where the
    /// answer was given before this process began.
    fn open(&self, incoming: Incoming, answered: impl FnOnce(&str) -> Option<Message>) -> (Arc<Turn>, bool) {
        let mut known = self.known();
        if let Some(turn) = known.by_id.get(&incoming.id)
            && matches!(turn.ending(), None | Some(Ending::Answered(_)))
        {
            return (Arc::clone(turn), false);
        }
        let (turn, fresh) = match answered(&incoming.id) {
            Some(message) => (Turn::answered_before(incoming, message), false),
            None => (Turn::new(incoming), true),
        };
        let turn = Arc::new(turn);
        known.keep(&turn);
        (turn, fresh)
    }

    /// Calls every turn off and waits, at most `limit`, until everybody was told.
    pub(crate) async fn end_all(&self, limit: Duration) {
        self.known().by_id.values().for_each(|turn| turn.cancel());
        self.work.close();
        if tokio::time::timeout(limit, self.work.wait()).await.is_err() {
            tracing::warn!(turns = self.work.len(), "not everybody could be told that it is over");
        }
    }
}

impl Known {
    fn keep(&mut self, turn: &Arc<Turn>) {
        for old in self.by_id.values() {
            if old.ending().is_some() && !turn::is_watched(old) {
                old.compact();
            }
        }
        self.order.retain(|id| id != turn.id());
        self.order.push_back(turn.id().to_owned());
        self.by_id.insert(turn.id().to_owned(), Arc::clone(turn));
        if self.order.len() > KEPT {
            // The oldest that is over; one that still runs is never forgotten.
            let over = |id: &String| self.by_id.get(id).is_none_or(|turn| turn.ending().is_some());
            if let Some(id) = self.order.iter().position(over).and_then(|at| self.order.remove(at)) {
                self.by_id.remove(&id);
            }
        }
    }
}
