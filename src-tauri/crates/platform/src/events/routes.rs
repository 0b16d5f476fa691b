//! The HTTP face of events (10 §14.4).

use axum::{
    Json,
    extract::{Path, State},
};
use molecule_model::event::Payload;
use molecule_store::outbox;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{sse, ws};
use crate::{App, AppError, AppResult, auth::Access, http::Room};

/// How many events a list holds.
const LIST: usize = 100;

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Handler("a canvas, or the workspace it names"), routes!(ws::open))
        .at(Access::Workspace, routes!(sse::stream_events))
        .at(Access::Admin, routes!(list))
        .at(Access::Admin, routes!(list_of))
}

/// A recorded event.
#[derive(Serialize, ToSchema)]
struct Recorded {
    id: String,
    event_type: String,
    workspace_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Payload>,
    created_at: molecule_model::Timestamp,
    seq: i64,
}

impl From<outbox::Stored> for Recorded {
    fn from(row: outbox::Stored) -> Self {
        Self {
            // Only recorded events are listed, and they have one.
            id: row.id.unwrap_or_default(),
            event_type: row.event_type,
            workspace_id: row.workspace_id,
            payload: row.payload,
            created_at: row.created_at,
            seq: row.seq,
        }
    }
}

/// The newest recorded events of all workspaces.
#[utoipa::path(get, path = "/events", tag = "events", responses((status = 200, body = Vec<Recorded>)))]
async fn list(State(app): State<App>) -> AppResult<Json<Vec<Recorded>>> {
    newest(&app, None).await
}

/// The newest recorded events of one workspace; `[]` for an unknown id.
#[utoipa::path(get, path = "/events/{workspace_id}", tag = "events", params(("workspace_id" = String, Path)),
    responses((status = 200, body = Vec<Recorded>)))]
async fn list_of(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Vec<Recorded>>> {
    newest(&app, Some(id)).await
}

async fn newest(app: &App, workspace: Option<String>) -> AppResult<Json<Vec<Recorded>>> {
    let rows = app
        .store
        .read(move |conn| outbox::newest(conn, workspace.as_deref(), LIST))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    Ok(Json(rows.into_iter().map(Recorded::from).collect()))
}
