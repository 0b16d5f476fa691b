//! One lane per workspace: at most one provision at a time, requests in between coalesce (S229–S231).
//!
//! One request is one cycle; however many arrive during a cycle are exactly one more, which sees whatever was
//! written before the last of them; workspaces never wait for one another. A cycle that panics is logged and
//! ends there. Whoever stops a workspace interrupts its lane: the running cycle is dropped, what waits is
//! forgotten, and nothing starts while the returned turn is held.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use molecule_model::WorkspaceId;
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// A request that can take up an older one that still waits.
pub(super) trait Merge: Send + 'static {
    /// What is left to do when `newer` arrives before `self` was begun.
    fn merge(self, newer: Self) -> Self;
}

pub(super) struct Lanes<O>(Mutex<HashMap<WorkspaceId, Arc<Lane<O>>>>);

struct Lane<O> {
    state: Mutex<State<O>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct State<O> {
    running: bool,
    pending: Option<O>,
    cancel: CancellationToken,
}

/// Nothing starts in this lane while it is held.
pub(super) struct Turn(#[expect(dead_code, reason = "held for its end")] OwnedMutexGuard<()>);

impl<O> Default for Lanes<O> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O> Lane<O> {
    fn state(&self) -> MutexGuard<'_, State<O>> {
        // No holder leaves the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Merge> Lanes<O> {
    fn lane(&self, id: WorkspaceId) -> Arc<Lane<O>> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let state = State { running: false, pending: None, cancel: CancellationToken::new() };
            Arc::new(Lane { state: Mutex::new(state), turn: Arc::default() })
        };
        Arc::clone(lanes.entry(id).or_insert_with(fresh))
    }

    /// Hands in a request. `Some` is the runner that the caller must spawn; `None`: one runs and will see it.
    pub(super) fn submit<C, F>(
        &self,
        id: WorkspaceId,
        order: O,
        cycle: C,
    ) -> Option<impl Future<Output = ()> + Send + 'static + use<O, C, F>>
    where
        C: Fn(O) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let lane = self.lane(id);
        {
            let mut state = lane.state();
            state.pending = Some(match state.pending.take() {
                Some(older) => older.merge(order),
                None => order,
            });
            if state.running {
                return None;
            }
            state.running = true;
        }
        Some(run(id, lane, cycle))
    }

    /// Whether a request waits behind the running cycle.
    pub(super) fn is_superseded(&self, id: WorkspaceId) -> bool {
        self.lane(id).state().pending.is_some()
    }

    /// Drops the running cycle and what waits, and takes the turn.
    pub(super) async fn interrupt(&self, id: WorkspaceId) -> Turn {
        let lane = self.lane(id);
        {
            let mut state = lane.state();
            state.pending = None;
            state.cancel.cancel();
        }
        Turn(Arc::clone(&lane.turn).lock_owned().await)
    }

    /// Frees what is kept for a deleted workspace (S226).
    pub(super) fn forget(&self, id: WorkspaceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

async fn run<O: Merge, C, F>(id: WorkspaceId, lane: Arc<Lane<O>>, cycle: C)
where
    C: Fn(O) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let turn = lane.turn.lock().await;
        let (order, cancel) = {
            let mut state = lane.state();
            let Some(order) = state.pending.take() else {
                state.running = false;
                return;
            };
            state.cancel = CancellationToken::new();
            (order, state.cancel.clone())
        };
        let work = AssertUnwindSafe(cycle(order)).catch_unwind();
        tokio::select! {
            biased;
            () = cancel.cancelled() => tracing::info!(workspace_id = %id, "provision interrupted"),
            done = work => if done.is_err() {
                tracing::error!(workspace_id = %id, "a provision panicked");
            }
        }
        drop(turn);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use molecule_model::WorkspaceId;
    use tokio::sync::Semaphore;

    use super::{Lanes, Merge};

    impl Merge for u32 {
        fn merge(self, newer: Self) -> Self {
            self + newer
        }
    }

    /// Cycles that wait for leave and count themselves.
    struct Bed {
        lanes: Lanes<u32>,
        begun: Arc<Semaphore>,
        leave: Arc<Semaphore>,
        cycles: Arc<AtomicUsize>,
    }

    impl Bed {
        fn new() -> Self {
            Self {
                lanes: Lanes::default(),
                begun: Arc::new(Semaphore::new(0)),
                leave: Arc::new(Semaphore::new(0)),
                cycles: Arc::default(),
            }
        }

        fn submit(&self, id: WorkspaceId, order: u32) -> Option<tokio::task::JoinHandle<()>> {
            let (begun, leave, cycles) = (Arc::clone(&self.begun), Arc::clone(&self.leave), Arc::clone(&self.cycles));
            let cycle = move |order: u32| {
                let (begun, leave, cycles) = (Arc::clone(&begun), Arc::clone(&leave), Arc::clone(&cycles));
                async move {
                    begun.add_permits(1);
                    leave.acquire().await.unwrap().forget();
                    assert!(order != 13, "as the test wants");
                    cycles.fetch_add(1, Ordering::SeqCst);
                }
            };
            self.lanes.submit(id, order, cycle).map(tokio::spawn)
        }

        async fn has_begun(&self) {
            self.begun.acquire().await.unwrap().forget();
        }

        fn count(&self) -> usize {
            self.cycles.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn s229_many_during_a_cycle_are_one_more() {
        let (bed, id) = (Bed::new(), WorkspaceId::random());
        let runner = bed.submit(id, 1).unwrap();
        bed.has_begun().await;
        for _ in 0..20 {
            assert!(bed.submit(id, 1).is_none());
        }
        assert!(bed.lanes.is_superseded(id));
        bed.leave.add_permits(100);
        runner.await.unwrap();
        assert_eq!(bed.count(), 2);
        // One after the other are not merged.
        for _ in 0..3 {
            bed.submit(id, 1).unwrap().await.unwrap();
        }
        assert_eq!(bed.count(), 5);
    }

    #[tokio::test]
    async fn s229_workspaces_do_not_wait_for_one_another() {
        let bed = Bed::new();
        let first = bed.submit(WorkspaceId::random(), 1).unwrap();
        let second = bed.submit(WorkspaceId::random(), 1).unwrap();
        bed.has_begun().await;
        bed.has_begun().await;
        bed.leave.add_permits(2);
        first.await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn s231_a_panic_does_not_block_the_lane() {
        let (bed, id) = (Bed::new(), WorkspaceId::random());
        let runner = bed.submit(id, 13).unwrap();
        bed.has_begun().await;
        assert!(bed.submit(id, 1).is_none());
        bed.leave.add_permits(2);
        runner.await.unwrap();
        assert_eq!(bed.count(), 1, "what came during the panicking cycle was done");
        bed.leave.add_permits(1);
        bed.submit(id, 1).unwrap().await.unwrap();
        assert_eq!(bed.count(), 2);
    }

    #[tokio::test]
    async fn an_interrupt_drops_the_cycle_and_holds_the_lane() {
        let (bed, id) = (Bed::new(), WorkspaceId::random());
        let runner = bed.submit(id, 1).unwrap();
        bed.has_begun().await;
        assert!(bed.submit(id, 1).is_none());
        let turn = bed.lanes.interrupt(id).await;
        assert_eq!(bed.count(), 0);
        bed.leave.add_permits(100);
        let later = bed.submit(id, 1);
        tokio::task::yield_now().await;
        assert_eq!(bed.count(), 0, "the turn is held");
        drop(turn);
        runner.await.unwrap();
        if let Some(later) = later {
            later.await.unwrap();
        }
        assert_eq!(bed.count(), 1, "what came before the interrupt is forgotten, what came after is done");
    }
}
