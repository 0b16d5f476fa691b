//! What the sender of a queued message reads in the end: an agent its delegation, the person the chat (10 §10.3, O-15).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use axum::http::StatusCode;
use bytes::Bytes;
use molecule_a2a::reply::request_text;
use molecule_model::{WorkspaceId, event::EventKind, preview::preview};
use molecule_store::{
    Result as StoreResult, Tx,
    activity::{self, NewActivity},
    delegations::{self, Outcome, Request},
    inflight,
    outbox::NewEvent,
    queue::{Claimed, Ended},
};
use serde_json::{Value, json};

use super::locked;
use crate::{
    activity::logged,
    messaging::{Job, delegation, ending},
};

/// A claimed message that came to nothing.
pub(super) fn ended(item: &Claimed, why: &str) -> Ended {
    Ended {
        id: item.claim.id.clone(),
        workspace: item.workspace,
        caller: item.caller,
        body: item.body.clone(),
        method: item.method.clone(),
        why: why.to_owned(),
    }
}

/// Whether somebody delegated this.
pub(super) fn is_delegation(body: &str) -> bool {
    delegation_of(body).is_some()
}

/// The delegation that a message is for.
fn delegation_of(body: &str) -> Option<String> {
    if !body.contains("delegation_id") {
        return None;
    }
    let body: Value = serde_json::from_str(body).ok()?;
    Some(body.pointer("/params/message/metadata/delegation_id")?.as_str()?.to_owned()).filter(|id| !id.is_empty())
}

fn name_of(tx: &Tx<'_>, id: WorkspaceId) -> StoreResult<String> {
    Ok(inflight::addressee(tx, id)?.map_or_else(|| id.to_string(), |to| to.name))
}

/// Delegations that this process runs: one that came back before its runner wrote that it is one is written here.
pub(super) type Running = Arc<Mutex<HashSet<String>>>;

/// The agent answered: the person's chat gets the answer, a delegation its result.
pub(super) fn answered(
    tx: &mut Tx<'_>,
    item: &Claimed,
    job: &Job,
    took: i64,
    status: StatusCode,
    body: &Bytes,
    running: &Running,
) -> StoreResult<()> {
    let Some(from) = item.caller else {
        let row = ending::answered(job, &name_of(tx, item.workspace)?, took, status, body);
        let seq = activity::insert(tx, &row)?;
        return ending::emit(tx, item.workspace, seq, ending::events_of(&row, job.is_conversation()));
    };
    match delegation_of(&item.body) {
        Some(id) => {
            let came = delegation::read(body);
            came_back(tx, (from, item.workspace), &id, came, &item.body, Some(running))
        }
        None => Ok(()),
    }
}

/// It comes to no answer: a delegation has failed, and the person reads it in the chat. Another agent that asked
/// finds it in the queue's own view.
pub(super) fn unanswered(tx: &mut Tx<'_>, ended: &Ended, running: Option<&Running>) -> StoreResult<()> {
    if let Some(from) = ended.caller {
        return match delegation_of(&ended.body) {
            Some(id) => came_back(tx, (from, ended.workspace), &id, Err(ended.why.clone()), &ended.body, running),
            None => Ok(()),
        };
    }
    let name = name_of(tx, ended.workspace)?;
    let row = NewActivity {
        target_id: Some(ended.workspace.to_string()),
        method: ended.method.clone(),
        summary: Some(format!("A2A request to {name} failed: {}", ended.why)),
        request_body: Some(ended.body.clone()),
        status: "error",
        error_detail: Some(ended.why.clone()),
        ..NewActivity::new(ended.workspace, "a2a_receive")
    };
    let seq = activity::insert(tx, &row)?;
    tx.emit(NewEvent::mirror(EventKind::ActivityLogged, ended.workspace, logged(&row), seq)).map(drop)
}

/// Stitches (10 §10.3 step 4).
fn came_back(
    tx: &mut Tx<'_>,
    (from, to): (WorkspaceId, WorkspaceId),
    id: &str,
    came: Result<String, String>,
    body: &str,
    running: Option<&Running>,
) -> StoreResult<()> {
    let (kind, payload) = match &came {
        Ok(text) => {
            let payload = json!({"delegation_id": id, "target_id": to, "response_preview": preview(text, 200), "via": "queue_drain"});
            (EventKind::DelegationComplete, payload)
        }
        Err(why) => (EventKind::DelegationFailed, json!({"delegation_id": id, "target_id": to, "error": why})),
    };
    let outcome = Outcome {
        from,
        to: Some(to),
        delegation_id: id.to_owned(),
        status: if came.is_ok() { "completed" } else { "failed" },
        summary: came.as_ref().map_or_else(
            |_| "Delegation failed".to_owned(),
            |text| format!("Delegation completed ({})", preview(text, 80)),
        ),
        text: came.as_ref().ok().cloned(),
        error: came.err(),
    };
    let unwritten = running.is_some_and(|running| locked(running).contains(id)) && !delegations::exists(tx, from, id)?;
    if unwritten {
        let task = serde_json::from_str(body).ok().as_ref().and_then(request_text).unwrap_or_default();
        let request = Request { from, to, task, delegation_id: id.to_owned(), idempotency_key: None, recorded: false };
        delegations::insert(tx, &request)?;
        delegation::sent(tx, &request)?;
    }
    if delegations::stitch(tx, &outcome)? {
        tx.record(kind, from, payload)?;
    }
    Ok(())
}
