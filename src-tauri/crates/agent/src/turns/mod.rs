//! Turns: one message, worked on until there is an answer (10 §9, 40 §10).
//!
//! A turn is a task of the A2A protocol; its id is the message's id, so that a repeated message finds the
//! turn that works on it or has worked on it. Whoever watches a turn reads its events from the beginning and
//! waits for more. Dropping the work of a turn ends what it started: streams, commands, questions.

mod memory;
mod run;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use memory::Memory;
pub(crate) use run::{begin, history, initial};
use tokio::sync::Semaphore;
pub(crate) use turn::{Ending, Incoming, Step, Turn};

/// Turns that are worked on at the same time; others wait in line.
const AT_ONCE: usize = 4;
/// Finished turns that are kept for whoever asks again.
const KEPT: usize = 200;

/// Every turn of this agent.
pub(crate) struct Turns {
    known: Mutex<Known>,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Arc<Turn>>,
    order: VecDeque<String>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { known: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Turns {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Turn>> {
        self.known().by_id.get(id).cloned()
    }

    /// The turn of this message; `true`: it is new and nobody works on it yet.
    fn open(&self, incoming: Incoming) -> (Arc<Turn>, bool) {
        let mut known = self.known();
        if let Some(turn) = known.by_id.get(&incoming.id) {
            return (Arc::clone(turn), false);
        }
        let turn = Arc::new(Turn::new(incoming));
        known.order.push_back(turn.id().to_owned());
        known.by_id.insert(turn.id().to_owned(), Arc::clone(&turn));
        if known.order.len() > KEPT {
            // The oldest that is over; one that still runs is never forgotten.
            if let Some(at) =
                known.order.iter().position(|id| known.by_id.get(id).is_none_or(|turn| turn.ending().is_some()))
                && let Some(id) = known.order.remove(at)
            {
                known.by_id.remove(&id);
            }
        }
        (turn, true)
    }

    /// Ends every turn.
    pub(crate) fn cancel_all(&self) {
        self.known().by_id.values().for_each(|turn| turn.cancel());
    }
}
