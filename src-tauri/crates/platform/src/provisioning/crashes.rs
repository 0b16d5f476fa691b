//! Agents that end by themselves: `offline` at once, then started anew, later each time (S033).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use molecule_launcher::{Exit, Launcher};
use molecule_model::{Status, WorkspaceId, redact::redact};
use molecule_store::{lifecycle, workspaces};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Failure, Order, Reason, failure};
use crate::App;

/// The first pause before a restart, milliseconds; it doubles up to [`LONGEST`].
const FIRST: u64 = 1_000;
const LONGEST: Duration = Duration::from_secs(30);
/// An agent that lived this long begins with a clean sheet.
const STEADY: Duration = Duration::from_secs(60);
/// Ends before registering, in a row, after which it is given up.
const MOST_EARLY: u32 = 5;
/// How much of a console goes into the log, bytes.
const TAIL: usize = 2048;

/// How often each agent ended lately.
pub(super) struct Crashes {
    streaks: Mutex<HashMap<WorkspaceId, Streak>>,
    first_ms: AtomicU64,
}

impl Default for Crashes {
    fn default() -> Self {
        Self { streaks: Mutex::default(), first_ms: FIRST.into() }
    }
}

#[derive(Clone, Copy, Default)]
struct Streak {
    /// Restarts since it was last steady.
    restarts: u32,
    /// Of these, ends before it registered, in a row.
    early: u32,
}

/// What follows an end.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    After(Duration),
    GiveUp,
}

impl Crashes {
    /// Counts an end.
    fn count(&self, id: WorkspaceId, ran_for: Duration, registered: bool) -> Next {
        let mut all = self.streaks.lock().unwrap_or_else(PoisonError::into_inner);
        let streak = all.entry(id).or_default();
        if ran_for >= STEADY {
            *streak = Streak::default();
        }
        streak.early = if registered { 0 } else { streak.early + 1 };
        if streak.early >= MOST_EARLY {
            *streak = Streak::default();
            return Next::GiveUp;
        }
        let first = Duration::from_millis(self.first_ms.load(Ordering::Relaxed));
        let pause = first.saturating_mul(1 << streak.restarts.min(10)).min(LONGEST);
        streak.restarts += 1;
        Next::After(pause)
    }

    /// Another first pause, for tests that do not want to wait.
    pub(super) fn set_first_pause(&self, millis: u64) {
        self.first_ms.store(millis, Ordering::Relaxed);
    }

    pub(super) fn forget(&self, id: WorkspaceId) {
        self.streaks.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// Watches one launcher's exits for as long as the server runs.
pub(super) fn watch(app: &App, launcher: Arc<dyn Launcher>) {
    let mut exits = Some(launcher.subscribe_exits());
    let app = Arc::clone(app);
    app.clone().tasks.supervise("agent-exits", move |stop| {
        let (app, launcher) = (Arc::clone(&app), Arc::clone(&launcher));
        let exits = exits.take().unwrap_or_else(|| launcher.subscribe_exits());
        async move {
            tokio::select! {
                () = follow(&app, &launcher, exits) => {}
                () = stop.cancelled() => {}
            }
        }
    });
}

async fn follow(app: &App, launcher: &Arc<dyn Launcher>, mut exits: Receiver<Exit>) {
    loop {
        match exits.recv().await {
            Ok(exit) if exit.expected => {}
            Ok(exit) => ended(app, exit.workspace_id, exit.ran_for).await,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "agent exits were missed; looking at every agent");
                look_at_all(app, launcher).await;
            }
            Err(RecvError::Closed) => return,
        }
        app.tasks.beat("agent-exits");
    }
}

async fn look_at_all(app: &App, launcher: &Arc<dyn Launcher>) {
    let Ok(rows) = app.store.read(workspaces::list).await else { return };
    for row in rows.into_iter().filter(|row| row.launched && matches!(row.status, Status::Online | Status::Degraded)) {
        if matches!(launcher.is_running(row.id).await, Ok(false)) {
            ended(app, row.id, Duration::ZERO).await;
        }
    }
}

/// An agent that we started has ended by itself.
async fn ended(app: &App, id: WorkspaceId, ran_for: Duration) {
    let before = app
        .store
        .write(move |tx| {
            let Some(row) = workspaces::get(tx, id)? else { return Ok(None) };
            if matches!(row.status, Status::Removed | Status::Paused | Status::Hibernated | Status::Hibernating) {
                return Ok(None);
            }
            lifecycle::process_gone(tx, id)?;
            Ok(Some(row.status))
        })
        .await;
    match before {
        Ok(Some(status)) => {
            app.presence.forget(id);
            let registered = status != Status::Provisioning;
            tracing::warn!(workspace_id = %id, %status, ran_ms = ran_for.as_millis(), "an agent ended by itself");
            next(app, id, app.provisioning.crashes.count(id, ran_for, registered)).await;
        }
        Ok(None) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "the end of an agent could not be written down"),
    }
}

async fn next(app: &App, id: WorkspaceId, next: Next) {
    match next {
        Next::After(pause) => restart_after(app, id, pause),
        Next::GiveUp => {
            log_console(app, id).await;
            failure::record(app, id, &Failure::KeepsStopping, app.now()).await;
        }
    }
}

/// A start that failed by itself is counted as an end before registering. `true`: it is tried again.
pub(super) fn again(app: &App, id: WorkspaceId) -> bool {
    match app.provisioning.crashes.count(id, Duration::ZERO, false) {
        Next::After(pause) => {
            restart_after(app, id, pause);
            true
        }
        Next::GiveUp => false,
    }
}

fn restart_after(app: &App, id: WorkspaceId, pause: Duration) {
    tracing::info!(workspace_id = %id, pause_ms = pause.as_millis(), "restarting an agent after a pause");
    let (app, stopping) = (Arc::clone(app), app.tasks.stopping());
    app.clone().tasks.detach("agent-restart", async move {
        tokio::select! {
            () = tokio::time::sleep(pause) => super::submit(&app, id, Order::new(Reason::Exited)),
            () = stopping.cancelled() => {}
        }
    });
}

/// The end of its console, for whoever reads the server's log; never for an event or an answer (S011).
async fn log_console(app: &App, id: WorkspaceId) {
    if let Some(tail) = super::console(app, id, TAIL).await {
        tracing::warn!(workspace_id = %id, console = %redact(&tail), "an agent keeps ending before it registers");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use molecule_model::WorkspaceId;

    use super::{Crashes, Next, STEADY};

    const QUICK: Duration = Duration::from_millis(50);

    #[test]
    fn pauses_grow_and_a_steady_life_resets_them() {
        let (crashes, id) = (Crashes::default(), WorkspaceId::random());
        for seconds in [1, 2, 4, 8, 16, 30, 30, 30] {
            assert_eq!(crashes.count(id, QUICK, true), Next::After(Duration::from_secs(seconds)));
        }
        assert_eq!(crashes.count(id, STEADY, true), Next::After(Duration::from_secs(1)));
    }

    #[test]
    fn s033_five_ends_before_registering_are_enough() {
        let (crashes, id) = (Crashes::default(), WorkspaceId::random());
        for _ in 0..4 {
            assert!(matches!(crashes.count(id, QUICK, false), Next::After(_)));
        }
        // One that registered breaks the row.
        assert!(matches!(crashes.count(id, QUICK, true), Next::After(_)));
        for _ in 0..4 {
            assert!(matches!(crashes.count(id, QUICK, false), Next::After(_)));
        }
        assert_eq!(crashes.count(id, QUICK, false), Next::GiveUp);
        assert_eq!(crashes.count(id, QUICK, false), Next::After(Duration::from_secs(1)), "a new try begins clean");
    }
}
