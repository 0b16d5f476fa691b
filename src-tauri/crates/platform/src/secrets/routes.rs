//! The HTTP face of secrets, models and key checks (20 §9, R-100).

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use molecule_model::WorkspaceId;
use molecule_store::{secrets as rows, tokens, workspaces};
use molecule_vault::{Secret, StoreKind};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{LARGEST, Verdict, environment, local_servers, restart_reached, validate};
use crate::{
    App, AppError, AppResult,
    auth::{Access, Caller},
    http::{Room, body},
};

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Workspace, routes!(list, put, post))
        .at(Access::Workspace, routes!(values))
        .at(Access::Workspace, routes!(delete))
        .at(Access::Workspace, routes!(dependents))
        .at(Access::Admin, routes!(list_global, put_global, post_global))
        .at(Access::Admin, routes!(delete_global))
        .at(Access::Admin, routes!(dependents_global))
        .at(Access::Admin, routes!(list_admin, post_admin))
        .at(Access::Admin, routes!(delete_admin))
        .at(Access::Workspace, routes!(get_model, put_model))
        .at(Access::Workspace, routes!(get_provider, put_provider))
        .at(Access::Admin, routes!(check))
        .at(Access::Admin, routes!(servers))
}

#[derive(Deserialize, ToSchema)]
struct NewSecret {
    key: String,
    value: String,
}

fn workspace(id: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_strict(id).ok_or_else(|| AppError::bad_request("invalid workspace ID"))
}

fn parse(body: &body::Bytes) -> AppResult<(String, Secret)> {
    let NewSecret { key, value } = body.json("invalid request body")?;
    if key.is_empty() || value.is_empty() {
        return Err(AppError::bad_request("invalid request body"));
    }
    // Any other spelling will do (20 §9); one of these would keep every agent that inherits it from starting.
    if key.contains(['=', '\0']) || value.contains('\0') {
        return Err(AppError::bad_request("a key cannot contain = and neither part a zero byte").code("invalid_key"));
    }
    if value.len() > LARGEST {
        return Err(AppError::bad_request("the value is longer than 256 KiB").code("value_too_long"));
    }
    Ok((key, Secret::from(value)))
}

fn item(row: &rows::SecretRow, scope: &str) -> Value {
    json!({"key": row.key, "has_value": true, "scope": scope, "created_at": row.created_at, "updated_at": row.updated_at, "store": row.store})
}

fn saved(key: &str, store: StoreKind, global: bool) -> Json<Value> {
    let mut answer = json!({"status": "saved", "key": key, "store": store});
    if global {
        answer["scope"] = json!("global");
    }
    Json(answer)
}

/// The names of a workspace's secrets: its own first, then the global ones that it does not replace.
#[utoipa::path(get, path = "/workspaces/{id}/secrets", tag = "secrets", params(("id" = String, Path)), responses((status = 200)))]
async fn list(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let id = workspace(&id)?;
    let (own, global) = app
        .store
        .read(move |conn| Ok((rows::list(conn, Some(id))?, rows::list(conn, None)?)))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    let inherited = global.iter().filter(|row| own.iter().all(|mine| mine.key != row.key));
    let items: Vec<Value> =
        own.iter().map(|row| item(row, "workspace")).chain(inherited.map(|row| item(row, "global"))).collect();
    Ok(Json(json!(items)))
}

/// Stores a secret of a workspace and restarts it.
#[utoipa::path(put, path = "/workspaces/{id}/secrets", tag = "secrets", params(("id" = String, Path)),
    request_body = NewSecret, responses((status = 200)))]
async fn put(State(app): State<App>, Path(id): Path<String>, body: body::Bytes) -> AppResult<Json<Value>> {
    set_own(&app, &id, &body).await
}

/// As PUT, for older callers.
#[utoipa::path(post, path = "/workspaces/{id}/secrets", tag = "secrets", params(("id" = String, Path)),
    request_body = NewSecret, responses((status = 200)))]
async fn post(State(app): State<App>, Path(id): Path<String>, body: body::Bytes) -> AppResult<Json<Value>> {
    set_own(&app, &id, &body).await
}

async fn set_own(app: &App, id: &str, body: &body::Bytes) -> AppResult<Json<Value>> {
    let id = workspace(id)?;
    let (key, value) = parse(body)?;
    app.store
        .read(move |conn| workspaces::get(conn, id))
        .await?
        .ok_or_else(|| AppError::not_found("workspace not found"))?;
    let store = super::set(app, Some(id), key.clone(), value).await?;
    restart_reached(app, Some(id), key.clone()).await;
    Ok(saved(&key, store, false))
}

/// Every value that a launch of this workspace gets; for the workspace's own agent.
#[utoipa::path(get, path = "/workspaces/{id}/secrets/values", tag = "secrets", params(("id" = String, Path)),
    responses((status = 200), (status = 401)))]
async fn values(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> AppResult<Json<Value>> {
    let id = workspace(&id)?;
    let own = caller == Caller::Workspace(id);
    let live = app
        .store
        .read(move |conn| tokens::has_live(conn, id))
        .await
        .map_err(|error| AppError::internal("auth check failed", &error))?;
    if live && !own {
        let text =
            if caller == Caller::Anonymous { "missing workspace auth token" } else { "invalid workspace auth token" };
        return Err(AppError::unauthorized(text));
    }
    let environment = environment(&app, id).await?;
    let failed: Vec<String> = environment
        .unreadable_global
        .iter()
        .map(|key| format!("global:{key}"))
        .chain(environment.unreadable_workspace.iter().map(|key| format!("workspace:{key}")))
        .collect();
    if !failed.is_empty() {
        return Err(
            AppError::internal("some secrets cannot be read now", &"lost values").with("failed_keys", json!(failed))
        );
    }
    let values: BTreeMap<&str, &str> =
        environment.values.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    Ok(Json(json!(values)))
}

/// Deletes a secret of a workspace and restarts it.
#[utoipa::path(delete, path = "/workspaces/{id}/secrets/{key}", tag = "secrets",
    params(("id" = String, Path), ("key" = String, Path)), responses((status = 200), (status = 404)))]
async fn delete(State(app): State<App>, Path((id, key)): Path<(String, String)>) -> AppResult<Json<Value>> {
    let id = workspace(&id)?;
    if !super::delete(&app, Some(id), key.clone()).await? {
        return Err(AppError::not_found("secret not found"));
    }
    restart_reached(&app, Some(id), key.clone()).await;
    Ok(Json(json!({"status": "deleted", "key": key})))
}

/// Who uses a secret of a workspace: the workspace.
#[utoipa::path(get, path = "/workspaces/{id}/secrets/{key}/dependents", tag = "secrets",
    params(("id" = String, Path), ("key" = String, Path)), responses((status = 200)))]
async fn dependents(State(app): State<App>, Path((id, _key)): Path<(String, String)>) -> AppResult<Json<Value>> {
    let id = workspace(&id)?;
    let found = app.store.read(move |conn| workspaces::get(conn, id)).await?;
    Ok(Json(json!({"dependents": found.into_iter().map(|w| w.name).collect::<Vec<_>>()})))
}

/// The names of the global secrets.
#[utoipa::path(get, path = "/settings/secrets", tag = "secrets", responses((status = 200)))]
async fn list_global(State(app): State<App>) -> AppResult<Json<Value>> {
    globals(&app).await
}

/// As `/settings/secrets`.
#[utoipa::path(get, path = "/admin/secrets", tag = "secrets", responses((status = 200)))]
async fn list_admin(State(app): State<App>) -> AppResult<Json<Value>> {
    globals(&app).await
}

async fn globals(app: &App) -> AppResult<Json<Value>> {
    let all = app
        .store
        .read(|conn| rows::list(conn, None))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    Ok(Json(json!(all.iter().map(|row| item(row, "global")).collect::<Vec<_>>())))
}

/// Stores a global secret and restarts what it reaches.
#[utoipa::path(put, path = "/settings/secrets", tag = "secrets", request_body = NewSecret, responses((status = 200)))]
async fn put_global(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    set_global(&app, &body).await
}

/// As PUT, for older callers.
#[utoipa::path(post, path = "/settings/secrets", tag = "secrets", request_body = NewSecret, responses((status = 200)))]
async fn post_global(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    set_global(&app, &body).await
}

/// As `/settings/secrets`.
#[utoipa::path(post, path = "/admin/secrets", tag = "secrets", request_body = NewSecret, responses((status = 200)))]
async fn post_admin(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    set_global(&app, &body).await
}

async fn set_global(app: &App, body: &body::Bytes) -> AppResult<Json<Value>> {
    let (key, value) = parse(body)?;
    let store = super::set(app, None, key.clone(), value).await?;
    restart_reached(app, None, key.clone()).await;
    Ok(saved(&key, store, true))
}

/// Deletes a global secret and restarts what it reached.
#[utoipa::path(delete, path = "/settings/secrets/{key}", tag = "secrets", params(("key" = String, Path)),
    responses((status = 200), (status = 404)))]
async fn delete_global(State(app): State<App>, Path(key): Path<String>) -> AppResult<Json<Value>> {
    forget_global(&app, key).await
}

/// As `/settings/secrets/{key}`.
#[utoipa::path(delete, path = "/admin/secrets/{key}", tag = "secrets", params(("key" = String, Path)),
    responses((status = 200), (status = 404)))]
async fn delete_admin(State(app): State<App>, Path(key): Path<String>) -> AppResult<Json<Value>> {
    forget_global(&app, key).await
}

async fn forget_global(app: &App, key: String) -> AppResult<Json<Value>> {
    if !super::delete(app, None, key.clone()).await? {
        return Err(AppError::not_found("secret not found"));
    }
    restart_reached(app, None, key.clone()).await;
    Ok(Json(json!({"status": "deleted", "key": key, "scope": "global"})))
}

/// Who uses a global secret.
#[utoipa::path(get, path = "/settings/secrets/{key}/dependents", tag = "secrets", params(("key" = String, Path)),
    responses((status = 200)))]
async fn dependents_global(State(app): State<App>, Path(key): Path<String>) -> AppResult<Json<Value>> {
    let found = app.store.read(move |conn| rows::reached_by_global(conn, &key)).await?;
    Ok(Json(json!({"dependents": found.into_iter().map(|(_, name)| name).collect::<Vec<_>>()})))
}

/// The secret that holds a workspace's choice, and the word for it on the wire (20 §9.4).
const MODEL: (&str, &str) = ("MODEL_PROVIDER", "model");
const PROVIDER: (&str, &str) = ("LLM_PROVIDER", "provider");

async fn choice(app: &App, id: &str, (key, word): (&'static str, &'static str)) -> AppResult<Json<Value>> {
    let none = || Json(json!({word: "", "source": "default"}));
    let Some(id) = WorkspaceId::parse_loose(id) else { return Ok(none()) };
    let row = app
        .store
        .read(move |conn| rows::get(conn, Some(id), key))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    let Some(row) = row else { return Ok(none()) };
    let value = super::value(app, &row).await.map_err(|error| AppError::internal("failed to decrypt", &error))?;
    Ok(Json(json!({word: value.expose(), "source": "workspace_secrets"})))
}

async fn choose(
    app: &App,
    id: &str,
    (key, word): (&'static str, &'static str),
    body: &body::Bytes,
) -> AppResult<Json<Value>> {
    let id = workspace(id)?;
    let body: Value = body.json("invalid request body")?;
    let value = match body.get(word) {
        None => "",
        Some(Value::String(text)) => text.as_str(),
        Some(_) => return Err(AppError::bad_request("invalid request body")),
    };
    let answer = if value.is_empty() {
        super::delete(app, Some(id), key.to_owned()).await?;
        json!({"status": "cleared"})
    } else {
        super::set(app, Some(id), key.to_owned(), Secret::from(value.to_owned())).await?;
        json!({"status": "saved", word: value})
    };
    restart_reached(app, Some(id), key.to_owned()).await;
    Ok(Json(answer))
}

/// The model of a workspace.
#[utoipa::path(get, path = "/workspaces/{id}/model", tag = "secrets", params(("id" = String, Path)), responses((status = 200)))]
async fn get_model(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    choice(&app, &id, MODEL).await
}

/// Chooses the model of a workspace and restarts it; an empty one clears the choice.
#[utoipa::path(put, path = "/workspaces/{id}/model", tag = "secrets", params(("id" = String, Path)), responses((status = 200)))]
async fn put_model(State(app): State<App>, Path(id): Path<String>, body: body::Bytes) -> AppResult<Json<Value>> {
    choose(&app, &id, MODEL, &body).await
}

/// The provider of a workspace.
#[utoipa::path(get, path = "/workspaces/{id}/provider", tag = "secrets", params(("id" = String, Path)), responses((status = 200)))]
async fn get_provider(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    choice(&app, &id, PROVIDER).await
}

/// Chooses the provider of a workspace and restarts it; an empty one clears the choice.
#[utoipa::path(put, path = "/workspaces/{id}/provider", tag = "secrets", params(("id" = String, Path)), responses((status = 200)))]
async fn put_provider(State(app): State<App>, Path(id): Path<String>, body: body::Bytes) -> AppResult<Json<Value>> {
    choose(&app, &id, PROVIDER, &body).await
}

#[derive(Deserialize, ToSchema)]
struct Check {
    provider: String,
    #[serde(default)]
    key: String,
    base_url: Option<String>,
}

/// Tries a key with its provider; nothing is stored or logged.
#[utoipa::path(post, path = "/secrets/validate", tag = "secrets", request_body = Check, responses((status = 200, body = Verdict)))]
async fn check(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Verdict>> {
    let Check { provider, key, base_url } = body.json("invalid request body")?;
    Ok(Json(validate(&app.outward, &provider, &Secret::from(key), base_url.as_deref()).await))
}

/// Model servers that answer on this machine.
#[utoipa::path(get, path = "/models/local", tag = "secrets", responses((status = 200)))]
async fn servers(State(app): State<App>) -> Json<Value> {
    Json(json!({"servers": local_servers(app.outward.here(), app.endpoint.port).await}))
}
