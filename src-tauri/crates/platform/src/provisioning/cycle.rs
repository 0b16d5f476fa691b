//! One turn of a lane: from the request to the running agent, or to a failure that is written down.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use molecule_model::{Status, Trigger, WorkspaceId, event::EventKind, runtime};
use molecule_store::{
    lifecycle,
    workspaces::{self, Workspace},
};
use tokio::sync::broadcast::error::RecvError;

use super::{Failure, Order, Reason, chain::Requested, context, crashes, failure};
use crate::App;

/// A workspace that is just starting is given this long to come up before it is started anew (20 §3.2).
const SETTLE: Duration = Duration::from_secs(10);

/// Does what the order says. Never panics, never leaves a started row without an end.
pub(super) async fn run(app: App, id: WorkspaceId, order: Order) {
    let since = app.now();
    let began = tokio::time::Instant::now();
    let reason = order.reason;
    // S008: "never ran" and "ran and vanished" must look different in the log.
    tracing::info!(workspace_id = %id, ?reason, "provision begins");
    let work = AssertUnwindSafe(attempt(&app, id, order)).catch_unwind();
    let outcome = work.await.unwrap_or(Err(Failure::Panicked));
    let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Ok(Outcome::Launched { pid, context }) => {
            tracing::info!(workspace_id = %id, ?reason, pid, elapsed_ms, "provision done");
            if let Some(context) = context {
                context::deliver_when_online(&app, id, context);
            }
        }
        Ok(Outcome::Skipped(why)) => tracing::info!(workspace_id = %id, ?reason, why, elapsed_ms, "provision skipped"),
        Err(failed) => {
            tracing::warn!(workspace_id = %id, ?reason, failure = ?failed, elapsed_ms, "provision failed");
            settle(&app, id, reason, failed, since).await;
        }
    }
}

/// Tries again, hands over to the request that waits, or writes the failure down.
async fn settle(app: &App, id: WorkspaceId, reason: Reason, failed: Failure, since: molecule_model::Timestamp) {
    if app.provisioning.lanes.is_superseded(id) {
        return;
    }
    // The server ends, and that is nobody's failure: the row stays in `provisioning`, and the next start
    // takes the launch up again.
    if app.tasks.stopping().is_cancelled() {
        return;
    }
    if reason.is_persistent() && failed.is_passing() && crashes::again(app, id) {
        return;
    }
    failure::record(app, id, &failed, since).await;
}

enum Outcome {
    Launched { pid: Option<u32>, context: Option<context::Context> },
    Skipped(&'static str),
}

async fn attempt(app: &App, id: WorkspaceId, order: Order) -> Result<Outcome, Failure> {
    let Some(row) = read(app, id).await else { return Ok(Outcome::Skipped("the row is gone")) };
    if row.status == Status::Removed {
        return Ok(Outcome::Skipped("removed"));
    }
    let row = if order.reason.is_prepared() {
        row
    } else {
        match claim(app, row, order.reason).await? {
            Ok(row) => row,
            Err(why) => return Ok(Outcome::Skipped(why)),
        }
    };
    let context = if order.reason.is_restart() { context::capture(app, &row).await } else { None };
    let requested = Requested::new(&app.provisioning, row, &order).await?;
    if order.reason == Reason::Restarted {
        app.provisioning.stop_for_restart(id).await;
    }
    let _slot = app.provisioning.slots.acquire().await.map_err(|_| Failure::Stopped)?;
    let launched = requested.prepare(app).await?.mint(app).await?.start(app).await?;
    Ok(Outcome::Launched { pid: launched.pid(), context })
}

/// The conditions of an automatic restart (20 §3.2, R-59), and the status once they hold.
async fn claim(app: &App, row: Workspace, reason: Reason) -> Result<Result<Workspace, &'static str>, Failure> {
    let id = row.id;
    if let Err(why) = may_restart(&row) {
        return Ok(Err(why));
    }
    // Without a launcher nothing is touched (S232).
    if app.provisioning.usable(&row.runtime).await.is_err() {
        return Ok(Err("no launcher"));
    }
    if reason == Reason::Exited && app.provisioning.is_running(id).await {
        return Ok(Err("it runs again"));
    }
    if row.status == Status::Provisioning && reason.replaces() {
        come_up(app, id).await;
    }
    if reason.replaces() {
        app.provisioning.stop_for_restart(id).await;
    }
    let begun = app
        .store
        .write(move |tx| {
            if workspaces::paused_ancestor(tx, id)?.is_some() {
                return Ok(Err("an ancestor is paused"));
            }
            let Some(row) = workspaces::get(tx, id)? else { return Ok(Err("the row is gone")) };
            if let Err(why) = may_restart(&row) {
                return Ok(Err(why));
            }
            lifecycle::begin(tx, id, Trigger::Restart, super::provisioning_payload(&row))?;
            workspaces::get(tx, id).map(|row| row.ok_or("the row is gone"))
        })
        .await;
    begun.map_err(|error| {
        tracing::error!(workspace_id = %id, %error, "an automatic restart could not begin");
        Failure::Mint
    })
}

fn may_restart(row: &Workspace) -> Result<(), &'static str> {
    match row.status {
        Status::Removed | Status::Paused | Status::Hibernated | Status::Hibernating => Err("stopped"),
        _ if row.runtime == runtime::EXTERNAL => Err("external"),
        _ if super::is_self_registered(row) => Err("not launched by us"),
        _ => Ok(()),
    }
}

/// Waits until a starting workspace is up, or long enough.
async fn come_up(app: &App, id: WorkspaceId) {
    let mut events = app.bus.subscribe();
    let waited = tokio::time::timeout(SETTLE, async {
        loop {
            match read(app, id).await {
                Some(row) if row.status == Status::Provisioning => {}
                _ => return,
            }
            loop {
                match events.recv().await {
                    Ok(event) if event.workspace == Some(id) && event.kind != EventKind::WorkspaceProvisioning => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
        }
    });
    drop(waited.await);
}

async fn read(app: &App, id: WorkspaceId) -> Option<Workspace> {
    let row = app.store.read(move |conn| workspaces::get(conn, id)).await;
    row.inspect_err(|error| tracing::error!(workspace_id = %id, %error, "a workspace could not be read")).ok().flatten()
}
