//! The HTTP face of credentials: launch, sessions, workspace tokens (10 §17.1), org tokens (10 §17.2).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
};
use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::{tokens, workspaces};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Access, Caller, fresh, test_token};
use crate::{
    App, AppError, AppResult,
    http::{Room, body},
};

/// How long a window's session lasts, seconds.
const SESSION: i64 = 30 * 24 * 3600;
/// Live bearers of one workspace at most.
const MOST_TOKENS: i64 = 50;

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Open, routes!(launch))
        .at(Access::Admin, routes!(ticket))
        .at(Access::Admin, routes!(sessions))
        .at(Access::Admin, routes!(end_session))
        .at(Access::Workspace, routes!(list, create))
        .at(Access::Workspace, routes!(revoke))
        .at(Access::Admin, routes!(list_org, create_org))
        .at(Access::Admin, routes!(revoke_org))
        .at(Access::Handler(test_token::RULE), routes!(test_token::test_token))
}

#[derive(Deserialize, ToSchema)]
struct Launch {
    ticket: String,
}

/// A window's session.
#[derive(Serialize, ToSchema)]
struct Launched {
    token: String,
    expires_at: Timestamp,
}

/// Exchanges a one-time ticket for a session.
#[utoipa::path(post, path = "/launch", tag = "auth", request_body = Launch,
    responses((status = 200, body = Launched), (status = 410, description = "used or too old")))]
async fn launch(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Launched>> {
    let Launch { ticket } = body.json("invalid request body")?;
    let now = app.now();
    if !app.auth.tickets.redeem(&ticket, now) {
        return Err(AppError::new(
            StatusCode::GONE,
            "this link was used or is too old: run `molecule open` for a new one",
        )
        .code("ticket_used"));
    }
    let token = fresh();
    let expires_at = now.plus_seconds(SESSION);
    let row = token.row(false);
    app.store.write(move |tx| tokens::open_session(tx, &row, expires_at)).await?;
    Ok(Json(Launched { token: token.expose().to_owned(), expires_at }))
}

/// A fresh one-time link for another window.
#[utoipa::path(post, path = "/app/ticket", tag = "auth", responses((status = 200)))]
async fn ticket(State(app): State<App>) -> Json<Value> {
    let ticket = app.auth.tickets.issue(app.now());
    Json(json!({"url": format!("{}/#ticket={ticket}", app.endpoint.url()), "ticket": ticket}))
}

/// The windows that are signed in.
#[utoipa::path(get, path = "/app/sessions", tag = "auth", responses((status = 200)))]
async fn sessions(State(app): State<App>, Extension(caller): Extension<Caller>) -> AppResult<Json<Value>> {
    let now = app.now();
    let rows = app.store.read(move |conn| tokens::sessions(conn, now)).await?;
    let sessions: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let current = matches!(&caller, Caller::Canvas { session } if *session == row.id);
            json!({"id": row.id, "created_at": row.created_at, "last_used_at": row.last_used_at,
                   "expires_at": row.expires_at, "current": current})
        })
        .collect();
    Ok(Json(json!({"sessions": sessions})))
}

/// Signs a window out.
#[utoipa::path(delete, path = "/app/sessions/{session_id}", tag = "auth", params(("session_id" = String, Path)),
    responses((status = 200), (status = 404)))]
async fn end_session(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let ended = app.store.write(move |tx| tokens::close_session(tx, &id)).await?;
    app.auth.forget();
    if ended { Ok(Json(json!({"status": "ended"}))) } else { Err(AppError::not_found("session not found")) }
}

/// A malformed id is an unknown workspace.
async fn existing(app: &App, id: &str) -> AppResult<WorkspaceId> {
    let missing = || AppError::not_found("workspace not found");
    let id = WorkspaceId::parse_loose(id).ok_or_else(missing)?;
    app.store.read(move |conn| workspaces::get(conn, id)).await?.map(|row| row.id).ok_or_else(missing)
}

#[derive(Deserialize)]
struct Page {
    limit: Option<String>,
    offset: Option<String>,
}

/// The live tokens of a workspace.
#[utoipa::path(get, path = "/workspaces/{id}/tokens", tag = "auth", params(("id" = String, Path)), responses((status = 200)))]
async fn list(State(app): State<App>, Path(id): Path<String>, Query(page): Query<Page>) -> AppResult<Json<Value>> {
    let id = existing(&app, &id).await?;
    let number = |text: Option<String>| text.and_then(|text| text.parse::<i64>().ok());
    let limit = number(page.limit).filter(|n| (1..=200).contains(n)).unwrap_or(50);
    let offset = number(page.offset).filter(|n| *n >= 0).unwrap_or(0);
    let rows = app
        .store
        .read(move |conn| tokens::list(conn, id, limit, offset))
        .await
        .map_err(|error| AppError::internal("failed to list tokens", &error))?;
    let tokens: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            json!({"id": row.id, "prefix": row.prefix, "created_at": row.created_at,
                   "last_used_at": row.last_used_at, "kind": row.kind})
        })
        .collect();
    Ok(Json(json!({"count": tokens.len(), "tokens": tokens})))
}

/// What to make: a bearer by default, a base URL with `kind: "url"`.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
struct NewToken {
    kind: String,
    name: Option<String>,
}

/// A new token of a workspace; its text is shown once.
#[utoipa::path(post, path = "/workspaces/{id}/tokens", tag = "auth", params(("id" = String, Path)), responses((status = 201)))]
async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    let id = existing(&app, &id).await?;
    let url = body.json_or_default::<NewToken>().kind == "url";
    let token = fresh();
    let row = token.row(url);
    let issued = app
        .store
        .write(move |tx| {
            if tokens::list(tx, id, MOST_TOKENS, 0)?.len() >= usize::try_from(MOST_TOKENS).unwrap_or(50) {
                return Ok(false);
            }
            tokens::issue(tx, id, &row).map(|()| true)
        })
        .await
        .map_err(|error| AppError::internal("failed to create token", &error))?;
    if !issued {
        return Err(AppError::new(StatusCode::TOO_MANY_REQUESTS, "maximum 50 active tokens per workspace"));
    }
    let mut answer = json!({"auth_token": token.expose(), "workspace_id": id,
        "message": "Save this token now: it is shown only once."});
    if url {
        answer["url"] = json!(super::capability_url(&app, token.expose()));
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Revokes a token of a workspace.
#[utoipa::path(delete, path = "/workspaces/{id}/tokens/{token_id}", tag = "auth",
    params(("id" = String, Path), ("token_id" = String, Path)), responses((status = 200), (status = 404)))]
async fn revoke(State(app): State<App>, Path((id, token)): Path<(String, String)>) -> AppResult<Json<Value>> {
    let id = existing(&app, &id).await?;
    let revoked = app
        .store
        .write(move |tx| tokens::revoke(tx, id, &token))
        .await
        .map_err(|error| AppError::internal("failed to revoke token", &error))?;
    app.auth.forget();
    if revoked {
        Ok(Json(json!({"status": "revoked"})))
    } else {
        Err(AppError::not_found("token not found or already revoked"))
    }
}

/// The live org tokens.
#[utoipa::path(get, path = "/org/tokens", tag = "auth", responses((status = 200)))]
async fn list_org(State(app): State<App>) -> AppResult<Json<Value>> {
    let rows =
        app.store.read(tokens::list_org).await.map_err(|error| AppError::internal("failed to list tokens", &error))?;
    let tokens: Vec<Value> = rows
        .into_iter()
        .map(|row| {
            let mut item = json!({"id": row.id, "prefix": row.prefix, "created_at": row.created_at});
            for (key, value) in [("name", row.name), ("org_id", row.org_id), ("created_by", row.created_by)] {
                if let Some(value) = value {
                    item[key] = json!(value);
                }
            }
            if let Some(at) = row.last_used_at {
                item["last_used_at"] = json!(at);
            }
            item
        })
        .collect();
    Ok(Json(json!({"count": tokens.len(), "tokens": tokens})))
}

/// A new org token; its text is shown once. `kind: "url"` makes a base URL that acts as the person.
#[utoipa::path(post, path = "/org/tokens", tag = "auth", responses((status = 200)))]
async fn create_org(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let wanted = body.json_or_default::<NewToken>();
    let name = wanted.name.filter(|name| !name.is_empty());
    if name.as_ref().is_some_and(|name| name.len() > 100) {
        return Err(AppError::bad_request("name too long (max 100 chars)"));
    }
    let (created_by, org_id) = match caller {
        Caller::Org { prefix, org_id, .. } => (format!("org-token:{prefix}"), org_id),
        Caller::Canvas { .. } => ("session".to_owned(), None),
        _ if headers.contains_key(header::COOKIE) => ("session".to_owned(), None),
        _ => ("admin-token".to_owned(), None),
    };
    let kind = if wanted.kind == "url" { tokens::OrgKind::AdminUrl } else { tokens::OrgKind::Bearer };
    let token = fresh();
    let (row, stored) = (token.row(false), name.clone());
    app.store
        .write(move |tx| tokens::issue_org(tx, &row, kind, stored.as_deref(), &created_by, org_id.as_deref()))
        .await
        .map_err(|error| AppError::internal("failed to mint token", &error))?;
    let mut answer = json!({"id": token.id(), "prefix": token.prefix(), "auth_token": token.expose(),
        "warning": "Save this token now: it is shown only once and opens everything on this machine."});
    if let Some(name) = name {
        answer["name"] = json!(name);
    }
    if kind == tokens::OrgKind::AdminUrl {
        answer["url"] = json!(super::capability_url(&app, token.expose()));
    }
    Ok(Json(answer))
}

/// Revokes an org token.
#[utoipa::path(delete, path = "/org/tokens/{token_id}", tag = "auth", params(("token_id" = String, Path)),
    responses((status = 200), (status = 404)))]
async fn revoke_org(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let answer = json!({"revoked": id});
    let revoked = app
        .store
        .write(move |tx| tokens::revoke_org(tx, &id))
        .await
        .map_err(|error| AppError::internal("failed to revoke", &error))?;
    app.auth.forget();
    if revoked { Ok(Json(answer)) } else { Err(AppError::not_found("token not found or already revoked")) }
}
