//! The HTTP face of approvals.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use molecule_model::WorkspaceId;
use molecule_store::approvals::{self, Approval, NewApproval};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{expire, tell};
use crate::{
    App, AppError, AppResult,
    auth::{Access, Caller},
    http::{Room, body},
};

/// Most rows of a list.
const MOST: usize = 50;

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Workspace, routes!(create, list))
        .at(Access::Workspace, routes!(decide))
        .at(Access::Admin, routes!(pending))
}

#[derive(Deserialize, ToSchema)]
struct Ask {
    action: String,
    #[serde(default)]
    task_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    context: Option<serde_json::Map<String, Value>>,
}

/// Asks the person for a decision.
#[utoipa::path(post, path = "/workspaces/{id}/approvals", tag = "approvals", params(("id" = String, Path)),
    request_body = Ask, responses((status = 201)))]
async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    let ask: Ask = body.json("invalid request body")?;
    if ask.action.is_empty() {
        return Err(AppError::bad_request("invalid request body"));
    }
    let workspace = WorkspaceId::parse_loose(&id).ok_or_else(|| AppError::not_found("workspace not found"))?;
    let new = NewApproval {
        task_id: ask.task_id.unwrap_or_default(),
        action: ask.action,
        reason: ask.reason.unwrap_or_default(),
        context: Value::Object(ask.context.unwrap_or_default()),
    };
    let written = app.store.write(move |tx| approvals::create(tx, workspace, &new)).await;
    let approval = written.map_err(|error| AppError::unwritten("failed to create approval", error))?;
    Ok((StatusCode::CREATED, Json(json!({"approval_id": approval, "id": approval, "status": "pending"}))))
}

/// The newest questions of a workspace, any state.
#[utoipa::path(get, path = "/workspaces/{id}/approvals", tag = "approvals", params(("id" = String, Path)), responses((status = 200)))]
async fn list(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let Some(workspace) = WorkspaceId::parse_loose(&id) else { return Ok(Json(json!([]))) };
    let rows = app
        .store
        .read(move |conn| approvals::of(conn, workspace, MOST))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    let items: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({"id": row.id, "task_id": row.task_id, "action": row.action, "reason": row.reason, "status": row.status,
                   "decided_by": row.decided_by, "decided_at": row.decided_at, "created_at": row.created_at, "context": row.context})
        })
        .collect();
    Ok(Json(json!(items)))
}

/// The newest questions that wait for the person.
#[utoipa::path(get, path = "/approvals/pending", tag = "approvals", responses((status = 200)))]
async fn pending(State(app): State<App>) -> AppResult<Json<Value>> {
    expire(&app).await;
    let rows = app
        .store
        .read(|conn| approvals::pending(conn, MOST))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    Ok(Json(json!(rows.iter().map(open).collect::<Vec<_>>())))
}

fn open(row: &Approval) -> Value {
    json!({"id": row.id, "workspace_id": row.workspace_id, "workspace_name": row.workspace_name, "action": row.action,
           "reason": row.reason, "status": row.status, "created_at": row.created_at, "task_id": row.task_id,
           "context": row.context, "expires_at": row.created_at.plus_seconds(approvals::OPEN_FOR)})
}

#[derive(Deserialize, ToSchema)]
struct Decision {
    decision: Option<String>,
    approved: Option<bool>,
    decided_by: Option<String>,
}

/// Decides a question, once.
#[utoipa::path(post, path = "/workspaces/{id}/approvals/{approval_id}/decide", tag = "approvals",
    params(("id" = String, Path), ("approval_id" = String, Path)), request_body = Decision,
    responses((status = 200), (status = 404)))]
async fn decide(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((id, approval)): Path<(String, String)>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let decision: Decision = body.json("invalid request body")?;
    let approved = match (decision.decision.as_deref(), decision.approved) {
        (Some("approved"), _) => true,
        (Some("denied"), _) => false,
        (None | Some(""), Some(approved)) => approved,
        (None | Some(""), None) => return Err(AppError::bad_request("invalid request body")),
        _ => return Err(AppError::bad_request("decision must be 'approved' or 'denied'")),
    };
    // Whoever asks may not approve itself: only the person may say yes. Saying no to oneself is withdrawing.
    // Development keeps the contract's letter, where a workspace's own token may decide (30 §6.4, R-3).
    if approved && matches!(caller, Caller::Workspace(_)) && !app.config.development {
        return Err(AppError::forbidden("a workspace cannot approve its own request").code("self_approval"));
    }
    let missing = || AppError::not_found("approval not found or already decided");
    let workspace = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let by = decision.decided_by.filter(|by| !by.is_empty()).unwrap_or_else(|| "human".to_owned());
    let (row, who) = (approval.clone(), by.clone());
    let decided = app
        .store
        .write(move |tx| approvals::decide(tx, workspace, &row, approved, &who))
        .await
        .map_err(|error| AppError::internal("failed to update", &error))?;
    if !decided {
        return Err(missing());
    }
    let status = if approved { "approved" } else { "denied" };
    tell(&app, workspace, &approval, status, &by);
    Ok(Json(json!({"status": status, "approval_id": approval, "approved": approved})))
}
