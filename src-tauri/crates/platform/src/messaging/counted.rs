//! Tasks whose tokens were counted, so that an agent that is asked again how one came out is not billed twice
//! (10 §9.10).

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use molecule_model::WorkspaceId;

/// Tasks that are remembered; an older one that is asked for again counts again.
const MOST: usize = 4096;
/// Longest name of a task that is remembered, bytes; agents choose them.
const LONGEST: usize = 256;

type Task = (WorkspaceId, String);

#[derive(Default)]
struct State {
    known: HashSet<Task>,
    /// Oldest first.
    order: VecDeque<Task>,
}

/// The newest counted tasks.
#[derive(Default)]
pub struct Counted(Mutex<State>);

impl Counted {
    /// Remembers the task of an agent. `false`: it was counted before.
    pub fn take(&self, agent: WorkspaceId, mut task: String) -> bool {
        task.truncate(task.floor_char_boundary(LONGEST));
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let task = (agent, task);
        if !state.known.insert(task.clone()) {
            return false;
        }
        state.order.push_back(task);
        if state.order.len() > MOST
            && let Some(oldest) = state.order.pop_front()
        {
            state.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Counted, MOST};

    #[test]
    fn a_task_counts_once_and_memory_has_an_end() {
        let counted = Counted::default();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        assert!(counted.take(a, "t".into()) && !counted.take(a, "t".into()));
        assert!(counted.take(b, "t".into()), "names are an agent's own");
        for n in 0..MOST {
            assert!(counted.take(a, n.to_string()));
        }
        assert!(counted.take(a, "t".into()), "forgotten");
        assert_eq!(counted.0.lock().unwrap().known.len(), MOST);
    }
}
