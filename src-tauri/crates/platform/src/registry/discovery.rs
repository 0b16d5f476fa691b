//! `GET /registry/discover/:id`, `GET /registry/:id/peers`, `POST /registry/check-access` (10 §7).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
};
use molecule_model::{
    Status, WorkspaceId,
    access::{self, Lineage, MAX_DEPTH},
    wire::DeliveryMode,
};
use molecule_store::{Result as StoreResult, Store, registry, rusqlite::Connection, workspaces};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use utoipa::ToSchema;

use crate::{
    App, AppError, AppResult,
    auth::{Caller, Capability},
    http::{body, came_by},
};

/// The communication rule with its look-ups (10 §7.5): the same id needs none, an unknown one is a no.
///
/// # Errors
/// When the table cannot be read.
pub fn may_communicate(conn: &Connection, caller: WorkspaceId, target: WorkspaceId) -> StoreResult<bool> {
    if caller == target {
        return Ok(true);
    }
    let (Some(caller), Some(target)) = (workspaces::lineage(conn, caller)?, workspaces::lineage(conn, target)?) else {
        return Ok(false);
    };
    Ok(access::may_communicate(&caller, &target))
}

/// As [`may_communicate`], from memory.
///
/// # Errors
/// When the tables cannot be read.
pub async fn related(store: &Store, from: WorkspaceId, target: WorkspaceId) -> StoreResult<bool> {
    if from == target {
        return Ok(true);
    }
    let (Some(from), Some(target)) = (lineage(store, from).await?, lineage(store, target).await?) else {
        return Ok(false);
    };
    Ok(access::may_communicate(&from, &target))
}

/// As `workspaces::lineage`, from memory.
async fn lineage(store: &Store, id: WorkspaceId) -> StoreResult<Option<Lineage>> {
    let Some(entry) = store.entry(id).await? else { return Ok(None) };
    let (mut next, mut ancestors) = (entry.parent, Vec::new());
    while let Some(up) = next {
        if ancestors.len() >= MAX_DEPTH || up == id {
            break;
        }
        ancestors.push(up);
        next = store.entry(up).await?.and_then(|entry| entry.parent);
    }
    Ok(Some(Lineage { id, ancestors }))
}

/// The caller check of 10 §7.1 as leave it: the workspace itself, the person, development.
fn check_caller(app: &App, caller: &Caller, subject: Option<WorkspaceId>) -> AppResult<()> {
    match caller {
        _ if app.config.development || caller.is_admin() => Ok(()),
        Caller::Workspace(own) if Some(*own) == subject => Ok(()),
        _ => Err(super::proof::refusal(caller)),
    }
}

/// Where a workspace answers, for a caller that may talk to it.
#[utoipa::path(get, path = "/registry/discover/{id}", tag = "registry", params(("id" = String, Path)),
    responses((status = 200), (status = 400), (status = 401), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn discover(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    under: Option<Extension<Capability>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> AppResult<Json<Value>> {
    let claimed = headers.get("x-workspace-id").and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    let claimed = claimed.ok_or_else(|| AppError::bad_request("X-Workspace-ID header is required"))?;
    let from = WorkspaceId::parse_loose(claimed);
    check_caller(&app, &caller, from)?;
    let forbidden = || AppError::forbidden("not authorized to discover this workspace");
    let (from, id) = (from.ok_or_else(forbidden)?, WorkspaceId::parse_loose(&id).ok_or_else(forbidden)?);
    let (allowed, target) =
        app.store.read(move |conn| Ok((may_communicate(conn, from, id)?, workspaces::get(conn, id)?))).await?;
    if !allowed {
        return Err(forbidden());
    }
    let target = target.ok_or_else(|| AppError::not_found("workspace not found"))?;
    let url = target.live_url().map(str::to_owned);
    // Not launched by us is external: its url as it is, whatever its status.
    let theirs = !target.launched && url.is_some();
    if !theirs && !matches!(target.status, Status::Online | Status::Degraded) {
        return Err(AppError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace not available")
            .with("status", json!(target.status)));
    }
    let url = match url {
        Some(url) => {
            if theirs && app.messaging.rules().check(&url).await.is_err() {
                tracing::warn!(workspace_id = %id, "a stored url failed the address check");
                return Err(AppError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace URL failed safety check"));
            }
            url
        }
        // Nobody can dial it, everybody can write to it here (40 §21 row 12): by the address that the caller came
        // by, since one that came without a bearer will write without one.
        None if target.delivery_mode == DeliveryMode::Poll => {
            format!("{}/workspaces/{id}/a2a", came_by(&headers, under.as_deref()))
        }
        None => {
            return Err(AppError::new(StatusCode::SERVICE_UNAVAILABLE, "workspace has no URL")
                .with("status", json!(target.status)));
        }
    };
    Ok(Json(json!({"id": id, "url": url, "name": target.name})))
}

#[derive(Deserialize)]
pub(super) struct Search {
    q: Option<String>,
}

/// A workspace as its peers see it.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerView {
    id: WorkspaceId,
    name: String,
    role: Option<String>,
    tier: i64,
    status: Status,
    url: String,
    parent_id: Option<WorkspaceId>,
    active_tasks: i64,
    #[schema(value_type = Option<Object>)]
    agent_card: Option<Box<RawValue>>,
}

/// Siblings, children, parent.
#[utoipa::path(get, path = "/registry/{id}/peers", tag = "registry",
    params(("id" = String, Path), ("q" = Option<String>, Query)),
    responses((status = 200, body = Vec<PeerView>), (status = 401), (status = 404)))]
pub(super) async fn peers(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(search): Query<Search>,
) -> AppResult<Json<Vec<PeerView>>> {
    let id = WorkspaceId::parse_loose(&id);
    check_caller(&app, &caller, id)?;
    let missing = || AppError::not_found("workspace not found");
    let id = id.ok_or_else(missing)?;
    let found = app.store.read(move |conn| registry::peers(conn, id)).await;
    let found = found.map_err(|error| AppError::internal("lookup failed", &error))?.ok_or_else(missing)?;
    let wanted = search.q.unwrap_or_default().trim().to_lowercase();
    let fits = |text: &str| wanted.is_empty() || text.to_lowercase().contains(&wanted);
    let peers = found.into_iter().filter(|peer| fits(&peer.name) || fits(peer.role.as_deref().unwrap_or_default()));
    Ok(Json(
        peers
            .map(|peer| PeerView {
                active_tasks: app.messaging.shown_tasks(peer.id, peer.active_tasks),
                id: peer.id,
                name: peer.name,
                role: peer.role,
                tier: peer.tier,
                status: peer.status,
                url: peer.url,
                parent_id: peer.parent_id,
                agent_card: peer.agent_card,
            })
            .collect(),
    ))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct CheckAccess {
    caller_id: String,
    target_id: String,
}

/// Whether one workspace may talk to another.
#[utoipa::path(post, path = "/registry/check-access", tag = "registry", request_body = CheckAccess,
    responses((status = 200), (status = 400)))]
pub(super) async fn check_access(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    const UNDECODABLE: &str = "invalid request body";
    let given: CheckAccess = body.json(UNDECODABLE)?;
    if given.caller_id.is_empty() || given.target_id.is_empty() {
        return Err(AppError::bad_request(UNDECODABLE));
    }
    let ids = (WorkspaceId::parse_loose(&given.caller_id), WorkspaceId::parse_loose(&given.target_id));
    let allowed = match ids {
        // The same id is always a yes, known or not, well-formed or not.
        _ if given.caller_id == given.target_id => true,
        (Some(caller), Some(target)) => app.store.read(move |conn| may_communicate(conn, caller, target)).await?,
        _ => false,
    };
    Ok(Json(json!({"allowed": allowed})))
}
