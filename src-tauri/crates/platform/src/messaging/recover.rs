//! At boot: what was being answered when the server died becomes visible as interrupted, and nothing is silently
//! gone.

use std::sync::Arc;

use molecule_model::{WorkspaceId, event::EventKind};
use molecule_store::{
    Result as StoreResult, Tx,
    activity::{self, NewActivity},
    delegations::{self, Outcome},
    inflight,
    outbox::NewEvent,
    workspaces,
};
use serde_json::json;

use super::{INTERRUPTED, flights::Flights, queue};
use crate::{App, activity::logged};

/// Turns what the last process left on its way into rows. Messages that arrive meanwhile are not touched.
pub async fn recover(app: &App) {
    app.messaging.silence.listen(app);
    queue::recover(app).await;
    queue::start(app);
    let flights = Arc::clone(&app.messaging.flights);
    match app.store.write(move |tx| messages(tx, &flights)).await {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "messages were interrupted when the server last stopped"),
        Err(error) => tracing::error!(%error, "interrupted messages could not be written"),
    }
    let running = Arc::clone(&app.messaging.delegations);
    let ended = app
        .store
        .write(move |tx| {
            let alive = running.lock().map(|running| running.clone()).unwrap_or_default();
            let orphans = delegations::orphans(tx)?;
            let orphans: Vec<_> = orphans.into_iter().filter(|open| !alive.contains(&open.delegation_id)).collect();
            orphans.iter().try_for_each(|open| end(tx, open)).map(|()| orphans.len())
        })
        .await;
    match ended {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "delegations were interrupted when the server last stopped"),
        Err(error) => tracing::error!(%error, "interrupted delegations could not be written"),
    }
}

fn messages(tx: &mut Tx<'_>, flights: &Flights) -> StoreResult<usize> {
    let mut count = 0;
    for lost in inflight::all(tx)? {
        if flights.contains(&lost.id) {
            continue;
        }
        let name = workspaces::get(tx, lost.workspace)?.map_or_else(|| lost.workspace.to_string(), |row| row.name);
        let row = NewActivity {
            source_id: lost.source_id,
            target_id: Some(lost.workspace.to_string()),
            method: lost.method,
            summary: Some(format!("A2A request to {name} failed: interrupted")),
            request_body: Some(lost.request_body.get().to_owned()),
            status: "error",
            error_detail: Some(INTERRUPTED.to_owned()),
            ..NewActivity::new(lost.workspace, "a2a_receive")
        };
        let seq = activity::insert(tx, &row)?;
        inflight::delete(tx, &lost.id)?;
        tx.emit(NewEvent::mirror(EventKind::ActivityLogged, lost.workspace, logged(&row), seq))?;
        count += 1;
    }
    Ok(count)
}

fn end(tx: &mut Tx<'_>, open: &delegations::Open) -> StoreResult<()> {
    if open.waits {
        return waits(tx, open);
    }
    delegations::set_status(tx, open.from, &open.delegation_id, "failed", Some(INTERRUPTED))?;
    delegations::insert_result(
        tx,
        &Outcome {
            from: open.from,
            to: WorkspaceId::parse_loose(&open.target_id),
            delegation_id: open.delegation_id.clone(),
            status: "failed",
            summary: "Delegation failed".into(),
            text: None,
            error: Some(INTERRUPTED.into()),
        },
    )?;
    let payload = json!({"delegation_id": open.delegation_id, "target_id": open.target_id, "error": INTERRUPTED});
    tx.record(EventKind::DelegationFailed, open.from, payload).map(drop)
}

/// Its message is in the queue, and whoever ran it did not come to say so.
fn waits(tx: &mut Tx<'_>, open: &delegations::Open) -> StoreResult<()> {
    delegations::set_status(tx, open.from, &open.delegation_id, "queued", None)?;
    delegations::insert_result(
        tx,
        &Outcome {
            from: open.from,
            to: WorkspaceId::parse_loose(&open.target_id),
            delegation_id: open.delegation_id.clone(),
            status: "queued",
            summary: "Delegation queued — target at capacity".into(),
            text: None,
            error: None,
        },
    )?;
    let payload = json!({"delegation_id": open.delegation_id, "target_id": open.target_id, "status": "queued"});
    tx.record(EventKind::DelegationStatus, open.from, payload).map(drop)
}
