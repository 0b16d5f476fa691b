//! The HTTP face of workspaces (20 §1–§3, §5.2, §6.2).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use molecule_model::{Status, WorkspaceId, redact::redact, runtime};
use molecule_store::{
    queue,
    rusqlite::Connection,
    workspaces::{self, Workspace},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa_axum::routes;

use super::{
    carried,
    create::{self, Create, Created},
    delete, external, hibernation,
    running::{self, Restart, Restarted},
    update,
    view::{self, Full},
};
use crate::{
    App, AppError, AppResult,
    auth::{Access, Caller, Development},
    http::{Room, body},
    provisioning,
};

/// How much of a console is shown, bytes.
const CONSOLE: usize = 64 * 1024;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    let own =
        Access::Handler("the workspace itself and the person; one that was deleted says so to its old credential");
    Room::new()
        .at(Access::Admin, routes!(list, create))
        .at(Access::Open, routes!(read))
        .at(Access::Workspace, routes!(patch))
        .at(Access::Admin, routes!(remove))
        .at(own, routes!(state))
        .at(Access::Admin, routes!(external::shown))
        .at(Access::Workspace, routes!(restart))
        .at(Access::Workspace, routes!(pause))
        .at(Access::Workspace, routes!(resume))
        .at(Access::Workspace, routes!(hibernate))
        .at(Access::Workspace, routes!(collapse))
        .at(Access::Admin, routes!(console))
}

fn missing() -> AppError {
    AppError::not_found("workspace not found")
}

/// A sub-route's malformed id behaves as an unknown one (20 §0).
fn known(id: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_loose(id).ok_or_else(missing)
}

fn loose(id: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_loose(id).ok_or_else(|| AppError::bad_request("invalid workspace ID"))
}

async fn row(app: &App, id: WorkspaceId) -> AppResult<Option<Workspace>> {
    app.store
        .read(move |conn| workspaces::get(conn, id))
        .await
        .map_err(|error| AppError::internal("query failed", &error))
}

/// Every workspace that is not removed, oldest first.
#[utoipa::path(get, path = "/workspaces", tag = "workspaces", responses((status = 200, body = Vec<Full>)))]
async fn list(State(app): State<App>) -> AppResult<Json<Vec<Full>>> {
    let now = app.now();
    let read = move |conn: &Connection| Ok((workspaces::list(conn)?, queue::depths(conn, now)?));
    let (rows, queued) = app.store.read(read).await.map_err(|error| AppError::internal("query failed", &error))?;
    let full = |row: Workspace| {
        let queued = queued.get(&row.id).copied().unwrap_or_default();
        view::full(&app, row, queued)
    };
    Ok(Json(rows.into_iter().map(full).collect()))
}

/// Makes a workspace and starts its agent behind the answer.
#[utoipa::path(post, path = "/workspaces", tag = "workspaces", request_body = Create,
    responses((status = 201, body = Created), (status = 400)))]
async fn create(State(app): State<App>, body: body::Bytes) -> AppResult<(StatusCode, Json<Created>)> {
    let request: Create = body.json("invalid workspace payload")?;
    let work = app.clone();
    let created = carried(&app, "workspace-create", async move { create::create(&work, request).await }).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

#[derive(Deserialize)]
struct Reading {
    include_removed: Option<String>,
}

/// One workspace: the whole of it for the person and for itself, less for anybody else.
#[utoipa::path(get, path = "/workspaces/{id}", tag = "workspaces", params(("id" = String, Path), ("include_removed" = Option<String>, Query)),
    responses((status = 200, body = Full), (status = 404), (status = 410)))]
async fn read(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(Development(development)): Extension<Development>,
    Path(id): Path<String>,
    Query(reading): Query<Reading>,
) -> AppResult<Response> {
    let id = loose(&id)?;
    let row = row(&app, id).await?.ok_or_else(missing)?;
    if row.status == Status::Removed && reading.include_removed.as_deref() != Some("true") {
        return Err(AppError::new(StatusCode::GONE, "workspace removed")
            .with("id", json!(id))
            .with("removed_at", json!(row.updated_at))
            .with("hint", json!("recreate the workspace and its token from the canvas Tokens tab")));
    }
    let own = caller.is_admin() || caller == Caller::Workspace(id) || (development && caller == Caller::Anonymous);
    if !own {
        return Ok(Json(view::stripped(&app, row)).into_response());
    }
    let now = app.now();
    let queued = app.store.read(move |conn| queue::waiting(conn, id, now)).await;
    let queued = queued.map_err(|error| AppError::internal("query failed", &error))?;
    Ok(Json(view::full(&app, row, queued)).into_response())
}

/// Edits a workspace; unknown keys are ignored.
#[utoipa::path(patch, path = "/workspaces/{id}", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200), (status = 400), (status = 404)))]
async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let id = loose(&id)?;
    let changes: Map<String, Value> = body.json("invalid request body")?;
    let trusted = !matches!(caller, Caller::Workspace(_));
    let needs_restart = update::update(&app, id, &changes, trusted).await?;
    Ok(Json(if needs_restart {
        json!({"status": "updated", "needs_restart": true})
    } else {
        json!({"status": "updated"})
    }))
}

#[derive(Deserialize)]
struct Deleting {
    confirm: Option<String>,
    purge: Option<String>,
}

/// Deletes a workspace and everything below it; `purge` deletes its rows and files too.
#[utoipa::path(delete, path = "/workspaces/{id}", tag = "workspaces",
    params(("id" = String, Path), ("confirm" = Option<String>, Query), ("purge" = Option<String>, Query)),
    responses((status = 200), (status = 409)))]
async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(asked): Query<Deleting>,
) -> AppResult<Json<Value>> {
    let id = loose(&id)?;
    delete::confirm(&app, id, asked.confirm.as_deref() == Some("true")).await?;
    let purge = asked.purge.as_deref() == Some("true");
    let work = app.clone();
    let deleted = carried(&app, "workspace-delete", async move { delete::delete(&work, id, purge).await }).await?;
    let status = if purge { "purged" } else { "removed" };
    Ok(Json(json!({"status": status, "cascade_deleted": deleted.cascade_deleted})))
}

/// For agents that look often (20 §1.7).
#[utoipa::path(get, path = "/workspaces/{id}/state", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200), (status = 401), (status = 404)))]
async fn state(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> AppResult<Response> {
    let found = match WorkspaceId::parse_loose(&id) {
        Some(known) => row(&app, known).await?,
        None => None,
    };
    let removed = found.as_ref().is_some_and(|row| row.status == Status::Removed);
    // A deleted workspace's credential is worth nothing, and its agent ends its loop at a 404 alone (40 §12).
    if !(removed && caller == Caller::Unknown) {
        Access::Workspace.check(&caller, Some(&id), app.config.development)?;
    }
    Ok(match found {
        None => (StatusCode::NOT_FOUND, Json(json!({"workspace_id": id, "deleted": true}))).into_response(),
        Some(row) if row.status == Status::Removed => {
            let body = json!({"workspace_id": row.id, "status": "removed", "deleted": true});
            (StatusCode::NOT_FOUND, Json(body)).into_response()
        }
        Some(row) => {
            let paused = row.status == Status::Paused;
            Json(json!({"workspace_id": row.id, "status": row.status, "paused": paused, "deleted": false}))
                .into_response()
        }
    })
}

#[derive(Deserialize)]
struct Resetting {
    reset: Option<String>,
}

/// Restarts a workspace's agent behind the answer.
#[utoipa::path(post, path = "/workspaces/{id}/restart", tag = "workspaces",
    params(("id" = String, Path), ("reset" = Option<String>, Query)),
    responses((status = 200, body = Restarted), (status = 404), (status = 409), (status = 503)))]
async fn restart(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<Resetting>,
    body: body::Bytes,
) -> AppResult<Json<Restarted>> {
    let mut asked: Restart = body.json_or_default();
    asked.reset |= query.reset.as_deref() == Some("true");
    let (id, work) = (known(&id)?, app.clone());
    carried(&app, "workspace-restart", async move { running::restart(&work, id, &asked).await }).await.map(Json)
}

/// Stops a workspace and everything below it until it is resumed.
#[utoipa::path(post, path = "/workspaces/{id}/pause", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200), (status = 404)))]
async fn pause(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let id =
        WorkspaceId::parse_loose(&id).ok_or_else(|| AppError::not_found("workspace not found or already paused"))?;
    let work = app.clone();
    let count = carried(&app, "workspace-pause", async move { running::pause(&work, id).await }).await?;
    Ok(Json(json!({"status": "paused", "paused_count": count})))
}

/// Starts a paused workspace and the paused ones below it again.
#[utoipa::path(post, path = "/workspaces/{id}/resume", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200), (status = 404), (status = 409), (status = 503)))]
async fn resume(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let id = WorkspaceId::parse_loose(&id).ok_or_else(|| AppError::not_found("workspace not found or not paused"))?;
    let work = app.clone();
    let resumed = carried(&app, "workspace-resume", async move { running::resume(&work, id).await }).await?;
    Ok(Json(json!({"status": resumed.status, "resumed_count": resumed.count})))
}

#[derive(Deserialize)]
struct Forcing {
    force: Option<String>,
}

/// Puts a workspace to sleep until a message wakes it.
#[utoipa::path(post, path = "/workspaces/{id}/hibernate", tag = "workspaces",
    params(("id" = String, Path), ("force" = Option<String>, Query)),
    responses((status = 200), (status = 404), (status = 409)))]
async fn hibernate(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<Forcing>,
) -> AppResult<Json<Value>> {
    let (id, force) = (known(&id)?, query.force.as_deref() == Some("true"));
    let work = app.clone();
    carried(&app, "workspace-hibernate", async move { hibernation::hibernate(&work, id, force).await }).await?;
    Ok(Json(json!({"status": "hibernated"})))
}

/// Dissolves a team: its direct children and everything below them are deleted.
#[utoipa::path(post, path = "/workspaces/{id}/collapse", tag = "workspaces", params(("id" = String, Path)), responses((status = 200)))]
async fn collapse(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let (id, work) = (known(&id)?, app.clone());
    let removed = carried(&app, "workspace-collapse", async move { delete::collapse(&work, id).await }).await?;
    Ok(Json(json!({"status": "collapsed", "removed": removed})))
}

/// The end of the agent's console.
#[utoipa::path(get, path = "/workspaces/{id}/console", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200), (status = 404), (status = 501)))]
async fn console(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let id = known(&id)?;
    let row = row(&app, id).await?.ok_or_else(missing)?;
    if row.runtime == runtime::EXTERNAL {
        return Err(AppError::new(
            StatusCode::NOT_IMPLEMENTED,
            "console output is not available: this agent is run by its operator",
        ));
    }
    let text = provisioning::console(&app, id, CONSOLE).await.unwrap_or_default();
    Ok(Json(json!({"output": redact(&without_capabilities(&text))})))
}

/// Base URLs carry a credential; whoever reads a console need not see it.
fn without_capabilities(text: &str) -> String {
    let mut parts = text.split("/as/");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let secret = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(part.len());
        out.push_str("/as/[REDACTED]");
        out.push_str(&part[secret..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_capabilities;

    #[test]
    fn capabilities_do_not_show_in_a_console() {
        assert_eq!(
            without_capabilities("at http://127.0.0.1:1/as/Ab-_9/registry and /as/x"),
            "at http://127.0.0.1:1/as/[REDACTED]/registry and /as/[REDACTED]"
        );
        assert_eq!(without_capabilities("nothing"), "nothing");
    }
}
