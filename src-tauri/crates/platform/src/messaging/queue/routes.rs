//! `GET /workspaces/:id/a2a/queue/:queue_id` and `POST /admin/a2a-queue/drop-stale` (10 §10.4, §10.5).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::queue;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{announce, tell};
use crate::{App, AppError, AppResult, auth::Caller};

/// Minutes after which what waits counts as stale, where nothing is said.
const STALE_AFTER: i64 = 60;

/// A queued message (10 §10.4).
#[derive(Serialize, ToSchema)]
pub(in crate::messaging) struct ItemView {
    queue_id: String,
    workspace_id: WorkspaceId,
    caller_id: Option<WorkspaceId>,
    method: Option<String>,
    priority: i64,
    /// `queued`, `dispatched`, `completed`, `failed` or `dropped`.
    status: String,
    attempts: i64,
    last_error: Option<String>,
    enqueued_at: Timestamp,
    dispatched_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// The answer, once a delegation came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    response_body: Option<Box<RawValue>>,
}

/// What became of a queued message: for its sender, its receiver and the person. Everybody else learns nothing, not
/// even that it is there.
#[utoipa::path(get, path = "/workspaces/{id}/a2a/queue/{queue_id}", tag = "messages",
    params(("id" = String, Path), ("queue_id" = String, Path)), responses((status = 200, body = ItemView), (status = 404)))]
pub(in crate::messaging) async fn item(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, queue_id)): Path<(String, String)>,
) -> AppResult<Json<ItemView>> {
    let missing = || AppError::not_found("not found");
    let id = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let asked = queue_id.to_ascii_lowercase();
    let key = asked.clone();
    let found = app.store.read(move |conn| queue::item(conn, &key)).await;
    let item = found.map_err(|error| AppError::internal("query failed", &error))?.ok_or_else(missing)?;
    let concerns = |id: WorkspaceId| id == item.workspace_id || Some(id) == item.caller_id;
    let may = match &caller {
        Caller::Workspace(own) => concerns(*own),
        Caller::Anonymous => app.config.development,
        person => person.is_admin(),
    };
    if !may || !concerns(id) {
        return Err(missing());
    }
    Ok(Json(ItemView {
        queue_id: asked,
        workspace_id: item.workspace_id,
        caller_id: item.caller_id,
        method: item.method,
        priority: item.priority,
        status: item.status,
        attempts: item.attempts,
        last_error: item.last_error,
        enqueued_at: item.enqueued_at,
        dispatched_at: item.dispatched_at,
        completed_at: item.completed_at,
        expires_at: item.expires_at,
        response_body: item.response_body,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::messaging) struct Stale {
    /// Messages that wait longer are dropped; 60 where nothing is said.
    max_age_minutes: Option<String>,
    /// Only those for this workspace.
    workspace_id: Option<String>,
}

/// How many were dropped.
#[derive(Serialize, ToSchema)]
pub(in crate::messaging) struct DroppedView {
    dropped: usize,
}

/// Gives up what has waited too long, and tells whoever waits for it.
#[utoipa::path(post, path = "/admin/a2a-queue/drop-stale", tag = "messages", params(Stale),
    responses((status = 200, body = DroppedView), (status = 400)))]
pub(in crate::messaging) async fn drop_stale(
    State(app): State<App>,
    Query(asked): Query<Stale>,
) -> AppResult<Json<DroppedView>> {
    let minutes = match asked.max_age_minutes.as_deref().filter(|text| !text.is_empty()) {
        None => STALE_AFTER,
        Some(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|minutes| *minutes >= 1)
            .ok_or_else(|| AppError::bad_request("max_age_minutes must be a positive integer"))?,
    };
    let workspace = match asked.workspace_id.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            WorkspaceId::parse_loose(text).ok_or_else(|| AppError::bad_request("workspace_id must be a valid UUID"))?,
        ),
    };
    let now = app.now();
    // Older than time itself is nothing.
    let cutoff = Timestamp::from_micros(now.plus_seconds(minutes.saturating_mul(-60)).as_micros().max(0));
    let note = format!("dropped after waiting longer than {minutes} min");
    let dropped = app
        .store
        .write(move |tx| {
            let dropped = queue::drop_stale(tx, cutoff, workspace, &note)?;
            dropped.iter().filter(|ended| !ended.is_told()).try_for_each(|ended| tell::unanswered(tx, ended, None))?;
            Ok(dropped)
        })
        .await
        .map_err(|error| AppError::internal("failed to drop stale items", &error))?;
    for ended in &dropped {
        announce(&app, ended.workspace);
    }
    Ok(Json(DroppedView { dropped: dropped.len() }))
}
