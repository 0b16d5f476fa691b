//! Delegations: one agent hands a task to another, and the platform carries it there and back (10 §11, 40 §13).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use bytes::Bytes;
use molecule_a2a::{Answer, normalise, reply::delegation_text, wire::TaskState};
use molecule_model::{Timestamp, WorkspaceId, event::EventKind, id, preview::preview};
use molecule_store::{
    Result as StoreResult, Tx,
    delegations::{self, Existing, Outcome, Request},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{Delivered, Delivery, Options, Sender, deliver, follow};
use crate::{App, AppError, AppResult, http::body};

/// A whole delegation may take this long (10 §11.2).
const BUDGET: Duration = Duration::from_secs(30 * 60);
/// How long its last forward, which ends with the budget, may take to be written. A delegation that was given up
/// before its message was would be told as failed, and the message would come out of the queue all the same.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// Before the one retry of what did not reach its agent.
const RETRY_AFTER: Duration = Duration::from_secs(8);

const NOT_A_UUID: &str = "target_id must be a valid UUID";

#[derive(Deserialize, ToSchema)]
pub(super) struct Delegate {
    target_id: String,
    task: String,
    /// The same key again answers with the same delegation, unless it failed.
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// A malformed id owns nothing.
fn owner(id: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_loose(id).ok_or_else(|| AppError::not_found("workspace not found"))
}

/// A delegation that was asked for.
pub struct Begun {
    /// Its id.
    pub delegation_id: String,
    /// The one that holds the key already, where there is one: nothing was begun.
    pub known: Option<Existing>,
    /// Its rows could not be written: it runs, and nobody can ask for it.
    pub untracked: bool,
}

/// Hands `task` to another agent, in the background (10 §11).
///
/// # Errors
/// 400 for a task to oneself.
pub async fn delegate_to(
    app: &App,
    from: WorkspaceId,
    to: WorkspaceId,
    task: String,
    idempotency_key: Option<String>,
) -> AppResult<Begun> {
    not_to_oneself(from, to)?;
    let delegation_id = id::fresh();
    let request = Arc::new(Request { from, to, task, delegation_id, idempotency_key, recorded: false });
    // Known as running before its row is there: the recovery takes no row for lost whose task is about to start.
    let running = Running::begin(app, &request.delegation_id);
    let asked = Arc::clone(&request);
    let mut begun = Begun { delegation_id: request.delegation_id.clone(), known: None, untracked: false };
    match app.store.write(move |tx| begin(tx, &asked)).await {
        Ok(None) => {}
        Ok(Some(known)) => return Ok(Begun { known: Some(known), ..begun }),
        Err(error) => {
            tracing::error!(workspace_id = %from, %error, "a delegation was not written");
            begun.untracked = true;
        }
    }
    let worker = Arc::clone(app);
    app.tasks.detach("delegation", async move { run(&worker, &request, running).await });
    Ok(begun)
}

/// An agent that waits for itself would wait for ever.
pub(super) fn not_to_oneself(from: WorkspaceId, to: WorkspaceId) -> AppResult<()> {
    if from == to { Err(AppError::bad_request("self-delegation not permitted")) } else { Ok(()) }
}

/// Hands a task to another agent; the answer comes by event and in the list (R-38: always 202).
#[utoipa::path(post, path = "/workspaces/{id}/delegate", tag = "delegations", params(("id" = String, Path)), request_body = Delegate,
    responses((status = 202), (status = 400)))]
pub(super) async fn delegate(
    State(app): State<App>,
    Path(from): Path<String>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    const UNDECODABLE: &str = "invalid delegation request";
    let given: Delegate = body.json(UNDECODABLE)?;
    if given.target_id.is_empty() || given.task.is_empty() {
        return Err(AppError::bad_request(UNDECODABLE));
    }
    let to = WorkspaceId::parse_loose(&given.target_id).ok_or_else(|| AppError::bad_request(NOT_A_UUID))?;
    let from = owner(&from)?;
    let key = given.idempotency_key.filter(|key| !key.is_empty());
    let begun = delegate_to(&app, from, to, given.task, key).await?;
    let mut answer = json!({"delegation_id": begun.delegation_id, "status": "delegated", "target_id": to});
    if let Some(known) = begun.known {
        answer = json!({"delegation_id": known.delegation_id, "status": known.status, "target_id": known.target_id,
            "idempotent_hit": true});
    }
    if begun.untracked {
        answer["warning"] = json!("delegation dispatched but status tracking unavailable");
    }
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Writes the request row, or finds the delegation that holds its key.
fn begin(tx: &mut Tx<'_>, request: &Request) -> StoreResult<Option<Existing>> {
    if let Some(key) = &request.idempotency_key
        && let Some(known) = delegations::by_key(tx, request.from, key)?
    {
        return Ok(Some(known));
    }
    delegations::insert(tx, request)?;
    sent(tx, request)?;
    Ok(None)
}

pub(super) fn sent(tx: &mut Tx<'_>, request: &Request) -> StoreResult<()> {
    let payload = json!({"delegation_id": request.delegation_id, "target_id": request.to, "task_preview": preview(&request.task, 100)});
    tx.record(EventKind::DelegationSent, request.from, payload).map(drop)
}

/// A delegation that this process runs.
pub(super) struct Running {
    id: String,
    all: Arc<Mutex<std::collections::HashSet<String>>>,
}

impl Running {
    pub(super) fn begin(app: &App, id: &str) -> Self {
        app.messaging.running().insert(id.to_owned());
        Self { id: id.to_owned(), all: Arc::clone(&app.messaging.delegations) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// The way of one delegation (10 §11.2).
async fn run(app: &App, request: &Arc<Request>, _running: Running) {
    write(app, request, dispatched).await;
    let outcome = attempts(app, request).await;
    end(app, request, outcome).await;
}

/// The request row moves on: the message leaves.
pub(super) fn dispatched(tx: &mut Tx<'_>, request: &Request) -> StoreResult<()> {
    delegations::set_status(tx, request.from, &request.delegation_id, "dispatched", None)?;
    status(tx, request, "dispatched")
}

/// The message, and once more where it certainly did not arrive, within the budget.
pub(super) async fn attempts(app: &App, request: &Request) -> AppResult<Came> {
    let until = Instant::now() + BUDGET;
    let attempts = async {
        match attempt(app, request, until).await {
            Err(error) if is_passing(&error) => {
                tracing::info!(workspace_id = %request.from, target_id = %request.to, "a delegation is tried once more");
                tokio::select! {
                    () = tokio::time::sleep(RETRY_AFTER) => attempt(app, request, until).await,
                    () = app.tasks.stopping().cancelled_owned() => Err(error),
                }
            }
            outcome => outcome,
        }
    };
    let outcome = tokio::time::timeout_at(until + AFTERWARDS, attempts).await;
    outcome.unwrap_or_else(|_| Err(AppError::new(StatusCode::GATEWAY_TIMEOUT, follow::LATE)))
}

/// A forward of a delegation ends with the delegation, so that it is known what became of it.
fn within(until: Instant) -> Options {
    Options { timeout: Some(until.saturating_duration_since(Instant::now())), ..Options::default() }
}

/// Writes how it came out.
pub(super) async fn end(app: &App, request: &Arc<Request>, outcome: AppResult<Came>) {
    let outcome = Arc::new(match outcome {
        Ok(Came::Answered(body)) => read(&body).map(Some),
        Ok(Came::Queued) => Ok(None),
        Ok(Came::Streamed) => Err(STREAMED.to_owned()),
        Err(error) => Err(error.text().to_owned()),
    });
    write(app, request, move |tx, request| finish(tx, request, &outcome)).await;
}

pub(super) async fn write(
    app: &App,
    request: &Arc<Request>,
    job: impl Fn(&mut Tx<'_>, &Request) -> StoreResult<()> + Send + 'static,
) {
    let asked = Arc::clone(request);
    if let Err(error) = app.store.write(move |tx| job(tx, &asked)).await {
        tracing::error!(workspace_id = %request.from, %error, "a delegation's state was not written");
    }
}

fn status(tx: &mut Tx<'_>, request: &Request, status: &str) -> StoreResult<()> {
    let payload = json!({"delegation_id": request.delegation_id, "target_id": request.to, "status": status});
    tx.record(EventKind::DelegationStatus, request.from, payload).map(drop)
}

/// Said of an agent that streams its answer to a plain request.
pub(super) const STREAMED: &str = "the agent answered with a stream that was not asked for";

/// How a delegation came back.
pub(super) enum Came {
    /// The agent's whole answer.
    Answered(Bytes),
    /// Accepted, and the answer does not come this way (O-17).
    Queued,
    /// Heard to its end by the door; its row has it.
    Streamed,
}

async fn attempt(app: &App, request: &Request, until: Instant) -> AppResult<Came> {
    let message = json!({
        "method": "message/send",
        "params": {
            "message": {
                "role": "user",
                "messageId": request.delegation_id,
                "parts": [{"kind": "text", "text": request.task}],
                "metadata": {"delegation_id": request.delegation_id},
            },
            // Some agents answer at once with a task that has only begun, where nobody says that he waits.
            "configuration": {"blocking": true},
        },
    });
    let message = normalise(message.to_string().as_bytes(), &mut id::fresh)
        .map_err(|error| AppError::internal("the task could not be sent", &error))?;
    let delivery =
        Delivery { sender: Sender::Workspace(request.from), target: request.to, message, options: within(until) };
    Ok(match deliver(app, delivery).await? {
        Delivered::Answered { body, .. } => {
            Came::Answered(follow::to_the_end(app, request.from, request.to, body, until).await)
        }
        Delivered::Accepted { .. } | Delivered::Queued { .. } => Came::Queued,
        Delivered::Streaming { mut events, .. } => {
            while events.recv().await.is_some() {}
            Came::Streamed
        }
    })
}

/// The reply, or what the agent says it could not do.
pub(super) fn read(body: &[u8]) -> Result<String, String> {
    if let Some(error) = Answer::parse(body).and_then(|answer| answer.error()) {
        return Err(error.message);
    }
    let state: Option<TaskState> = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| TaskState::parse(body.pointer("/result/status/state")?.as_str()?));
    let text = delegation_text(body);
    if state.is_some_and(TaskState::is_failure) { Err(text) } else { Ok(text) }
}

/// Retried once: what certainly did not reach its agent. Never a busy agent: that would deliver twice.
fn is_passing(error: &AppError) -> bool {
    let restarting = error.get("restarting") == Some(&Value::Bool(true));
    error.status() == StatusCode::BAD_GATEWAY || (error.status() == StatusCode::SERVICE_UNAVAILABLE && restarting)
}

fn finish(tx: &mut Tx<'_>, request: &Request, outcome: &Result<Option<String>, String>) -> StoreResult<()> {
    let (id, to) = (&request.delegation_id, request.to);
    // What waits in the queue may have come back before we came to say that it waits.
    if matches!(outcome, Ok(None)) && !delegations::is_open(tx, request.from, id)? {
        return Ok(());
    }
    let (state, summary, text, error) = match outcome {
        Ok(Some(text)) => {
            ("completed", format!("Delegation completed ({})", preview(text, 80)), Some(text.clone()), None)
        }
        Ok(None) => ("queued", "Delegation queued — target at capacity".to_owned(), None, None),
        Err(why) => ("failed", "Delegation failed".to_owned(), None, Some(why.clone())),
    };
    delegations::set_status(tx, request.from, id, state, error.as_deref())?;
    let event = match outcome {
        Ok(Some(text)) => {
            let payload = json!({"delegation_id": id, "target_id": to, "response_preview": preview(text, 200)});
            Some((EventKind::DelegationComplete, payload))
        }
        Ok(None) => None,
        Err(why) => Some((EventKind::DelegationFailed, json!({"delegation_id": id, "target_id": to, "error": why}))),
    };
    delegations::insert_result(
        tx,
        &Outcome { from: request.from, to: Some(to), delegation_id: id.clone(), status: state, summary, text, error },
    )?;
    match event {
        Some((kind, payload)) => tx.record(kind, request.from, payload).map(drop),
        None => status(tx, request, "queued"),
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Record {
    target_id: String,
    task: String,
    delegation_id: String,
}

/// Notes a delegation that the agent runs itself (10 §11.3).
#[utoipa::path(post, path = "/workspaces/{id}/delegations/record", tag = "delegations", params(("id" = String, Path)),
    request_body = Record, responses((status = 202), (status = 400)))]
pub(super) async fn record(
    State(app): State<App>,
    Path(from): Path<String>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    const UNDECODABLE: &str = "invalid request body";
    let given: Record = body.json(UNDECODABLE)?;
    if [&given.target_id, &given.task, &given.delegation_id].iter().any(|text| text.is_empty()) {
        return Err(AppError::bad_request(UNDECODABLE));
    }
    let to = WorkspaceId::parse_loose(&given.target_id).ok_or_else(|| AppError::bad_request(NOT_A_UUID))?;
    let request = Request {
        from: owner(&from)?,
        to,
        task: given.task,
        delegation_id: given.delegation_id,
        idempotency_key: None,
        recorded: true,
    };
    let answer = json!({"delegation_id": request.delegation_id, "status": "recorded"});
    app.store
        .write(move |tx| {
            delegations::insert(tx, &request)?;
            sent(tx, &request)
        })
        .await
        .map_err(|error| AppError::internal("failed to record delegation", &error))?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Update {
    /// `completed`, `failed`, or `queued`.
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    response_preview: Option<String>,
}

/// How a delegation that the agent runs itself came out (10 §11.4, 40 §21 row 9).
#[utoipa::path(post, path = "/workspaces/{id}/delegations/{delegation_id}/update", tag = "delegations",
    params(("id" = String, Path), ("delegation_id" = String, Path)), request_body = Update,
    responses((status = 200), (status = 400)))]
pub(super) async fn update(
    State(app): State<App>,
    Path((from, delegation_id)): Path<(String, String)>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    const UNDECODABLE: &str = "invalid request body";
    let given: Update = body.json(UNDECODABLE)?;
    let state = match given.status.as_str() {
        "" => return Err(AppError::bad_request(UNDECODABLE)),
        "completed" => "completed",
        "failed" => "failed",
        "queued" => "queued",
        _ => return Err(AppError::bad_request("status must be 'completed' or 'failed'")),
    };
    let from = owner(&from)?;
    let answer = json!({"status": state, "delegation_id": delegation_id});
    let text = given.response_preview.unwrap_or_default();
    let error = given.error.unwrap_or_default();
    let written = app.store.write(move |tx| {
        delegations::set_status(tx, from, &delegation_id, state, Some(&error))?;
        let (kind, payload) = match state {
            "completed" => {
                let summary = format!("Delegation completed ({})", preview(&text, 80));
                let outcome = Outcome {
                    from,
                    to: None,
                    delegation_id: delegation_id.clone(),
                    status: state,
                    summary,
                    text: Some(text.clone()),
                    error: None,
                };
                delegations::insert_result(tx, &outcome)?;
                (
                    EventKind::DelegationComplete,
                    json!({"delegation_id": delegation_id, "response_preview": preview(&text, 200)}),
                )
            }
            "failed" => (EventKind::DelegationFailed, json!({"delegation_id": delegation_id, "error": error})),
            _ => (EventKind::DelegationStatus, json!({"delegation_id": delegation_id, "status": state})),
        };
        tx.record(kind, from, payload).map(drop)
    });
    if let Err(error) = written.await {
        tracing::error!(workspace_id = %from, %error, "a delegation's outcome was not written");
    }
    Ok(Json(answer))
}

/// One delegation (10 §11.5, R-39).
#[derive(Serialize, ToSchema)]
pub(super) struct DelegationView {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    delegation_id: String,
    source_id: WorkspaceId,
    target_id: String,
    summary: String,
    status: String,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_preview: Option<String>,
}

/// The newest delegations of a workspace, one row each.
#[utoipa::path(get, path = "/workspaces/{id}/delegations", tag = "delegations", params(("id" = String, Path)),
    responses((status = 200, body = Vec<DelegationView>)))]
pub(super) async fn list(State(app): State<App>, Path(from): Path<String>) -> AppResult<Json<Vec<DelegationView>>> {
    let Some(from) = WorkspaceId::parse_loose(&from) else { return Ok(Json(Vec::new())) };
    let rows = app.store.read(move |conn| delegations::list(conn, from)).await;
    let rows = rows.map_err(|error| AppError::internal("query failed", &error))?;
    let views = rows.into_iter().map(|row| DelegationView {
        id: row.id,
        kind: "delegation",
        delegation_id: row.delegation_id,
        source_id: from,
        target_id: row.target_id,
        summary: row.summary,
        status: row.status,
        created_at: row.created_at,
        error: row.error.filter(|text| !text.is_empty()),
        response_preview: row.reply.filter(|text| !text.is_empty()).map(|text| preview(&text, 300)),
    });
    Ok(Json(views.collect()))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::{AFTERWARDS, BUDGET, RETRY_AFTER, is_passing, read, within};
    use crate::AppError;

    #[tokio::test(start_paused = true)]
    async fn s155_a_delegation_is_not_given_up_before_its_message_is() {
        let began = tokio::time::Instant::now();
        let until = began + BUDGET;
        for pause in [std::time::Duration::ZERO, RETRY_AFTER] {
            tokio::time::advance(pause).await;
            let ends = tokio::time::Instant::now() + within(until).timeout.unwrap();
            assert_eq!(ends, until);
            assert!(ends + std::time::Duration::from_secs(30) < until + AFTERWARDS);
        }
    }

    #[test]
    fn only_what_did_not_arrive_is_tried_again() {
        let error = |status| AppError::new(status, "x");
        assert!(is_passing(&error(StatusCode::BAD_GATEWAY)));
        assert!(is_passing(&error(StatusCode::SERVICE_UNAVAILABLE).with("restarting", json!(true))));
        for not in [
            error(StatusCode::SERVICE_UNAVAILABLE).with("busy", json!(true)),
            error(StatusCode::SERVICE_UNAVAILABLE),
            error(StatusCode::INTERNAL_SERVER_ERROR),
            error(StatusCode::FORBIDDEN),
            error(StatusCode::LOOP_DETECTED),
        ] {
            assert!(!is_passing(&not), "{}", not.status());
        }
    }

    #[test]
    fn an_agents_own_failure_is_a_failed_delegation() {
        let said = |body: serde_json::Value| match read(body.to_string().as_bytes()) {
            Ok(text) => format!("answer: {text}"),
            Err(text) => format!("failure: {text}"),
        };
        assert_eq!(said(json!({"result": {"parts": [{"kind": "text", "text": "done"}]}})), "answer: done");
        assert_eq!(said(json!({"error": {"code": -32000, "message": "no key"}})), "failure: no key");
        let failed = json!({"result": {"kind": "task", "status": {"state": "failed", "message": {"parts": [{"kind": "text", "text": "why"}]}}}});
        assert_eq!(said(failed), "failure: why");
    }
}
