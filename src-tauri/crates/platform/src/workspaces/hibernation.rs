//! Sleep: by hand, or after a while without work (20 §3.5, §8.5). A message wakes (10 §9.5).

use std::{sync::Arc, time::Duration};

use molecule_model::{Status, Timestamp, Trigger, WorkspaceId, event::EventKind};
use molecule_store::{
    lifecycle::{self, Sleeper},
    workspaces::{self, Workspace},
};
use serde_json::{Value, json};

use crate::{App, AppError, AppResult, provisioning};

/// Between two looks for who is idle.
const PERIOD: Duration = Duration::from_secs(120);
/// How long a turn is waited for that began as its workspace was claimed.
const LAST_TURN: Duration = Duration::from_secs(60);

/// Starts the monitor.
pub fn start(app: &App) {
    let watching = Arc::clone(app);
    app.tasks.every("hibernation-monitor", PERIOD, move || {
        let app = Arc::clone(&watching);
        async move { hibernate_idle(&app).await }
    });
}

/// Puts to sleep whoever has been idle for as long as it was allowed to. A healthy agent never stops beating, so what
/// counts is when it last worked: said so itself, came up, or got a message. What the machine slept is no idleness.
pub async fn hibernate_idle(app: &App) {
    let now = app.now();
    app.presence.look(now);
    let sleepers = match app.store.read(lifecycle::sleepers).await {
        Ok(sleepers) => sleepers,
        Err(error) => return tracing::error!(%error, "idle workspaces could not be read"),
    };
    for Sleeper { id, after_minutes } in sleepers {
        let cutoff = now.plus_seconds(-after_minutes.saturating_mul(60));
        let idle = app.presence.idle_since(id).is_some_and(|since| since <= cutoff);
        if !idle || app.messaging.in_flight(id) > 0 {
            continue;
        }
        if let Err(error) = hibernate_if_idle(app, id, cutoff).await {
            tracing::error!(workspace_id = %id, error = error.text(), "an idle workspace could not be put to sleep");
        }
    }
}

async fn hibernate_if_idle(app: &App, id: WorkspaceId, cutoff: Timestamp) -> AppResult<()> {
    let worker = Arc::clone(app);
    let claimed = app
        .store
        .write(move |tx| {
            if worker.messaging.in_flight(id) > 0 || !lifecycle::claim_idle(tx, id, cutoff)? {
                return Ok(None);
            }
            Ok(workspaces::get(tx, id)?.map(|row| told(&row)))
        })
        .await?;
    let Some(payload) = claimed else { return Ok(()) };
    tracing::info!(workspace_id = %id, "an idle workspace is put to sleep");
    // A message may have left for it at the very moment of the claim; those after it wait for the wake.
    if tokio::time::timeout(LAST_TURN, app.messaging.quiet(id)).await.is_err() {
        tracing::warn!(workspace_id = %id, "put to sleep in the middle of a long turn");
    }
    put_to_sleep(app, id, payload).await
}

/// What `WORKSPACE_HIBERNATED` says.
fn told(row: &Workspace) -> Value {
    json!({"name": row.name, "tier": row.tier})
}

/// What a claim for hibernation found.
enum Claim {
    NotRunning,
    Busy(i64),
    Claimed(Value),
}

/// Puts a workspace to sleep (20 §3.5).
///
/// # Errors
/// 404 where it does not run, 409 where it works and `force` was not given.
pub async fn hibernate(app: &App, id: WorkspaceId, force: bool) -> AppResult<()> {
    let claim = app
        .store
        .write(move |tx| {
            let running = |row: &Workspace| matches!(row.status, Status::Online | Status::Degraded);
            let Some(row) = workspaces::get(tx, id)?.filter(running) else { return Ok(Claim::NotRunning) };
            if row.active_tasks > 0 && !force {
                return Ok(Claim::Busy(row.active_tasks));
            }
            workspaces::transition(tx, id, Trigger::Hibernate)?;
            Ok(Claim::Claimed(told(&row)))
        })
        .await
        .map_err(|error| AppError::internal("lookup failed", &error))?;
    let payload = match claim {
        Claim::NotRunning => return Err(AppError::not_found("workspace not found, or not online or degraded")),
        Claim::Busy(tasks) => {
            return Err(AppError::conflict(format!(
                "the workspace works on {tasks} tasks; use ?force=true to stop it all the same"
            ))
            .with("active_tasks", json!(tasks)));
        }
        Claim::Claimed(payload) => payload,
    };
    put_to_sleep(app, id, payload).await
}

/// Stops what was claimed, and says that it sleeps.
async fn put_to_sleep(app: &App, id: WorkspaceId, payload: Value) -> AppResult<()> {
    let turn = provisioning::stop(app, id).await;
    app.presence.forget(id);
    app.store
        .write(move |tx| {
            // An agent that registered while it was being stopped is gone by now.
            workspaces::transition_only_from(tx, id, Trigger::Hibernate, &[Status::Online])?;
            if workspaces::transition(tx, id, Trigger::Hibernated)?.is_some() {
                lifecycle::forget_url(tx, id)?;
                tx.record(EventKind::WorkspaceHibernated, id, payload.clone())?;
            }
            Ok(())
        })
        .await?;
    drop(turn);
    Ok(())
}
