//! The sweeps: liveness deadlines, silent external agents, processes of ours that are gone (10 §18.4).

use std::{sync::Arc, time::Duration};

use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::{lifecycle, registry};

use crate::{
    App,
    provisioning::{self, Instance},
};

/// Between two sweeps.
pub const PERIOD: Duration = Duration::from_secs(15);

/// Starts the loop. Who counted as online when the server stopped gets one interval to be heard of; what we launch
/// is brought back by the recovery and expected from its register on.
pub fn start(app: &App) {
    let worker = Arc::clone(app);
    app.tasks.detach("presence-arm", async move {
        match worker.store.read(|conn| registry::alive(conn, registry::Whose::Theirs)).await {
            Ok(ids) => ids.into_iter().for_each(|id| worker.presence.touch(id, worker.now())),
            Err(error) => tracing::error!(%error, "who was online could not be read"),
        }
    });
    let app = Arc::clone(app);
    app.clone().tasks.every("registry-sweep", PERIOD, move || {
        let app = Arc::clone(&app);
        async move { sweep_once(&app).await }
    });
}

/// One sweep. With a clock that is moved by hand: steps of at most a minute, or it takes the step for a nap.
pub async fn sweep_once(app: &App) {
    let now = app.now();
    app.presence.begin_sweep(now, PERIOD);
    for id in app.presence.take_expired(now) {
        silent(app, id).await;
    }
    externals(app, now).await;
    processes(app).await;
}

/// No beat in time.
async fn silent(app: &App, id: WorkspaceId) {
    match app.store.write(move |tx| registry::liveness_lost(tx, id)).await {
        Ok(true) => {
            tracing::info!(workspace_id = %id, "no sign of life");
            app.presence.forget(id);
            provisioning::request_restart(app, id);
        }
        Ok(false) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "a silent workspace could not be marked"),
    }
}

async fn externals(app: &App, now: Timestamp) {
    let stale = i64::try_from(app.config.external_stale.as_secs()).unwrap_or(i64::MAX);
    // After a nap everybody gets one interval to be heard of (S110).
    if app.presence.woke().is_some_and(|woke| now.seconds_since(woke) < stale) {
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
            provisioning::request_restart(app, id);
        }
        Ok(None) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "a dead agent could not be marked"),
    }
}
