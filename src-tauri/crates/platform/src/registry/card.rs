//! `GET /workspaces/:id/a2a/.well-known/agent-card.json`: where a client that knows an agent by its address alone
//! begins (40 §9, §10.1). The card leads back to the address that the caller came by, so that a client which has
//! nothing but a base URL needs nothing else.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, header},
    response::IntoResponse,
};
use molecule_a2a::card::{Published, WELL_KNOWN, published};
use molecule_model::{Status, WorkspaceId, wire::DeliveryMode};
use molecule_store::workspaces;
use serde_json::Value;

use super::{discovery::may_communicate, proof::refusal};
use crate::{
    App, AppError, AppResult,
    auth::{Caller, Capability},
    http::came_by,
};

/// A workspace's agent card, with the address of its messages here.
#[utoipa::path(get, path = "/workspaces/{id}/a2a/.well-known/{card}", tag = "messages",
    params(("id" = String, Path), ("card" = String, Path, description = "`agent-card.json`, or `agent.json` as old clients ask")),
    responses((status = 200), (status = 401), (status = 403), (status = 404)))]
pub(super) async fn card(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    under: Option<Extension<Capability>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> AppResult<impl IntoResponse> {
    let card = shown(&app, &caller, &id, &name, came_by(&headers, under.as_deref())).await?;
    // It may hold the caller's capability.
    Ok(([(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("vary"), "Host")], Json(card)))
}

/// The same, for clients that take the last part of the address for a file (`new URL(path, base)`).
#[utoipa::path(get, path = "/workspaces/{id}/.well-known/{card}", tag = "messages",
    params(("id" = String, Path), ("card" = String, Path, description = "`agent-card.json`, or `agent.json` as old clients ask")),
    responses((status = 200), (status = 401), (status = 403), (status = 404)))]
pub(super) async fn card_beside_a2a(
    app: State<App>,
    caller: Extension<Caller>,
    under: Option<Extension<Capability>>,
    path: Path<(String, String)>,
    headers: HeaderMap,
) -> AppResult<impl IntoResponse> {
    card(app, caller, under, path, headers).await
}

async fn shown(app: &App, caller: &Caller, id: &str, name: &str, base: String) -> AppResult<Value> {
    let from = match caller {
        Caller::Workspace(own) => Some(*own),
        Caller::Anonymous if app.config.development => None,
        _ if caller.is_admin() => None,
        _ => return Err(refusal(caller)),
    };
    let missing = || AppError::not_found("workspace not found");
    if !WELL_KNOWN.iter().any(|path| path.rsplit('/').next() == Some(name)) {
        return Err(AppError::not_found("there are agent-card.json and agent.json"));
    }
    // A malformed id is an unknown workspace, and no agent is related to one.
    let forbidden = || AppError::forbidden("not authorized to discover this workspace");
    let id = WorkspaceId::parse_loose(id).ok_or_else(|| if from.is_some() { forbidden() } else { missing() })?;
    let read = app.store.read(move |conn| {
        let allowed = from.map_or(Ok(true), |from| may_communicate(conn, from, id))?;
        Ok((allowed, workspaces::get(conn, id)?))
    });
    let (allowed, row) = read.await?;
    if !allowed {
        return Err(forbidden());
    }
    let row = row.filter(|row| row.status != Status::Removed).ok_or_else(missing)?;
    let own: Option<Value> = row.agent_card.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok(published(
        own.as_ref(),
        Published {
            url: &format!("{base}/workspaces/{id}/a2a"),
            name: &row.name,
            description: row.role.as_deref().unwrap_or_default(),
            answers: row.delivery_mode != DeliveryMode::Poll,
        },
    ))
}
