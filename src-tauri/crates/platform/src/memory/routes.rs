//! The HTTP face of memories.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use molecule_model::{WorkspaceId, wire::MemoryScope};
use molecule_store::memories::{self, Memory, Reach};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    App, AppError, AppResult,
    auth::Access,
    http::{Room, body},
};

/// Most rows of an answer.
const MOST: usize = 50;

/// This room's routes.
pub fn router() -> Room {
    Room::new().at(Access::Workspace, routes!(commit, recall)).at(Access::Workspace, routes!(forget))
}

#[derive(Deserialize, ToSchema)]
struct NewMemory {
    content: String,
    scope: String,
    namespace: Option<String>,
}

/// Commits a fact to memory.
#[utoipa::path(post, path = "/workspaces/{id}/memories", tag = "memory", params(("id" = String, Path)),
    request_body = NewMemory, responses((status = 201), (status = 403)))]
async fn commit(
    State(app): State<App>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    let new: NewMemory = body.json("invalid request body")?;
    if new.content.is_empty() || new.scope.is_empty() {
        return Err(AppError::bad_request("invalid request body"));
    }
    let scope =
        MemoryScope::parse(&new.scope).ok_or_else(|| AppError::bad_request("scope must be LOCAL, TEAM, or GLOBAL"))?;
    let namespace = new.namespace.filter(|name| !name.is_empty()).unwrap_or_else(|| "general".to_owned());
    let owner = WorkspaceId::parse_loose(&id).ok_or_else(|| AppError::not_found("workspace not found"))?;
    let memory = super::commit(&app, owner, &new.content, scope, namespace.clone()).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": memory, "scope": scope, "namespace": namespace}))))
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    q: String,
    namespace: Option<String>,
    #[serde(default)]
    limit: String,
}

/// Recalls facts: own ones, the team's, or everyone's.
#[utoipa::path(get, path = "/workspaces/{id}/memories", tag = "memory", params(("id" = String, Path)), responses((status = 200)))]
async fn recall(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(search): Query<Search>,
) -> AppResult<Json<Value>> {
    let (Some(me), Some(text)) = (WorkspaceId::parse_loose(&id), super::text(&search.q)) else {
        return Ok(Json(json!([])));
    };
    let reach = match MemoryScope::parse(&search.scope) {
        Some(MemoryScope::Local) => Reach::Own(me, Some(MemoryScope::Local)),
        Some(MemoryScope::Team) => Reach::Team(me),
        Some(MemoryScope::Global) => Reach::Global,
        None => Reach::Own(me, None),
    };
    let limit = leading_number(&search.limit).filter(|n| (1..MOST).contains(n)).unwrap_or(MOST);
    let found = super::recall(&app, me, reach, text, search.namespace, limit).await?;
    Ok(Json(found.iter().map(shape).collect()))
}

fn leading_number(text: &str) -> Option<usize> {
    let digits = text.trim_start().bytes().take_while(u8::is_ascii_digit).count();
    text.trim_start()[..digits].parse().ok()
}

/// GLOBAL ones are read in a frame that says whose they are (30 §4.3).
fn shape(row: &Memory) -> Value {
    let content = match row.scope {
        MemoryScope::Global => {
            format!("[MEMORY id={} scope=GLOBAL from={}]: {}", row.id, row.workspace_id, row.content)
        }
        _ => row.content.clone(),
    };
    json!({"id": row.id, "workspace_id": row.workspace_id, "content": content, "scope": row.scope,
           "namespace": row.namespace, "created_at": row.created_at})
}

/// Forgets a fact of one's own.
#[utoipa::path(delete, path = "/workspaces/{id}/memories/{memory_id}", tag = "memory",
    params(("id" = String, Path), ("memory_id" = String, Path)), responses((status = 200), (status = 404)))]
async fn forget(State(app): State<App>, Path((id, memory)): Path<(String, String)>) -> AppResult<Json<Value>> {
    let missing = || AppError::not_found("memory not found or not owned by this workspace");
    let owner = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let deleted = app
        .store
        .write(move |tx| memories::delete(tx, owner, &memory))
        .await
        .map_err(|error| AppError::internal("delete failed", &error))?;
    if deleted { Ok(Json(json!({"status": "deleted"}))) } else { Err(missing()) }
}
