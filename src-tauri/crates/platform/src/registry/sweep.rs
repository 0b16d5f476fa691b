//! The sweeps: liveness deadlines, silent external agents, processes of ours that are gone (10 §18.4), and tasks
//! that nobody works on any more.

use std::{sync::Arc, time::Duration};

use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::{lifecycle, registry};

use crate::{
    App,
    provisioning::{self, Instance},
};

/// Between two looks at who is alive.
pub const PERIOD: Duration = Duration::from_secs(15);
/// Between two looks for tasks that nobody works on (30 §2.8).
const PHANTOMS: Duration = Duration::from_secs(300);
/// Silence after which a reported task counts as nobody's, seconds.
const PHANTOM_AFTER: i64 = 600;

/// Who counted as online when the server stopped gets one interval to be heard of; what we launch is brought back by
/// the recovery of agents and expected from its register on.
pub async fn recover(app: &App) {
    match app.store.read(|conn| registry::alive(conn, registry::Whose::Theirs)).await {
        Ok(ids) => ids.into_iter().for_each(|id| app.presence.touch(id, app.now())),
        Err(error) => tracing::error!(%error, "who was online could not be read"),
    }
}

/// Starts the loops.
pub fn start(app: &App) {
    let alive = Arc::clone(app);
    app.tasks.every("liveness-monitor", PERIOD, move || {
        let app = Arc::clone(&alive);
        async move { liveness(&app).await }
    });
    // Always runs, launcher or not (S111).
    let healthy = Arc::clone(app);
    app.tasks.every("health-sweep", PERIOD, move || {
        let app = Arc::clone(&healthy);
        async move { health(&app).await }
    });
    let busy = Arc::clone(app);
    app.tasks.every("phantom-busy-sweep", PHANTOMS, move || {
        let app = Arc::clone(&busy);
        async move { free_phantoms(&app).await }
    });
}

/// One round of both fifteen-second sweeps. With a clock that is moved by hand: steps of at most half a minute, or
/// they take the step for a nap.
pub async fn sweep_once(app: &App) {
    liveness(app).await;
    health(app).await;
}

async fn liveness(app: &App) {
    let now = app.now();
    app.presence.look(now);
    for id in app.presence.take_expired(now) {
        silent(app, id).await;
    }
}

async fn health(app: &App) {
    let now = app.now();
    app.presence.look(now);
    externals(app, now).await;
    processes(app).await;
}

/// Frees what an agent that crashed or was cut off left as busy (30 §2.8, R-109). After a nap and after the start
/// everybody has the same ten minutes to be heard of.
pub async fn free_phantoms(app: &App) {
    let now = app.now();
    app.presence.look(now);
    if app.presence.woke_within(now, PHANTOM_AFTER) {
        return;
    }
    let cutoff = now.plus_seconds(-PHANTOM_AFTER);
    match app.store.write(move |tx| registry::free_phantoms(tx, cutoff)).await {
        Ok(freed) => {
            freed.iter().for_each(|id| tracing::warn!(workspace_id = %id, "a task that nobody works on is ended"))
        }
        Err(error) => tracing::error!(%error, "tasks that nobody works on could not be ended"),
    }
}

/// No beat in time.
async fn silent(app: &App, id: WorkspaceId) {
    match app.store.write(move |tx| registry::liveness_lost(tx, id)).await {
        Ok(true) => {
            tracing::info!(workspace_id = %id, "no sign of life");
            app.presence.forget(id);
            provisioning::start_lost(app, id);
        }
        Ok(false) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "a silent workspace could not be marked"),
    }
}

async fn externals(app: &App, now: Timestamp) {
    let stale = i64::try_from(app.config.external_stale.as_secs()).unwrap_or(i64::MAX);
    // After a nap everybody gets one interval to be heard of (S110).
    if app.presence.woke_within(now, stale) {
        return;
    }
    let cutoff = now.plus_seconds(-stale);
    let ids = match app.store.read(move |conn| registry::silent_externals(conn, cutoff)).await {
        Ok(ids) => ids,
        Err(error) => return tracing::error!(%error, "silent external agents could not be read"),
    };
    for id in ids {
        match app.store.write(move |tx| registry::external_stale(tx, id, cutoff)).await {
            Ok(true) => {
                tracing::info!(workspace_id = %id, "an external agent is silent");
                app.presence.forget(id);
            }
            Ok(false) => {}
            Err(error) => tracing::error!(workspace_id = %id, %error, "a silent external agent could not be marked"),
        }
    }
}

async fn processes(app: &App) {
    // Right after a start nothing of ours runs yet; bringing it back is the recovery's work, once.
    if app.recovering.steps().contains(&"agents") {
        return;
    }
    let ids = match app.store.read(|conn| registry::alive(conn, registry::Whose::Ours)).await {
        Ok(ids) => ids,
        Err(error) => return tracing::error!(%error, "running workspaces could not be read"),
    };
    for id in ids {
        // What the launcher cannot say counts as running.
        if provisioning::instance_state(app, id).await == Instance::Gone {
            process_gone(app, id).await;
        }
    }
}

/// The process of a launched agent is gone: `offline`, its event, and a restart (10 §9.7.1). Whoever writes the
/// status asks for the restart, so that many finders make one.
pub async fn process_gone(app: &App, id: WorkspaceId) {
    match app.store.write(move |tx| lifecycle::process_gone(tx, id)).await {
        Ok(Some(moved)) => {
            tracing::warn!(workspace_id = %id, from = %moved.from, "an agent's process is gone");
            app.presence.forget(id);
            provisioning::start_lost(app, id);
        }
        Ok(None) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "a dead agent could not be marked"),
    }
}
