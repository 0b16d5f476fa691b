//! `GET /admin/workspaces/:id/test-token`: a bearer for tests of a server that is there to be tested (10 §17.3, R-3).

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::HeaderMap,
};
use molecule_model::{Status, WorkspaceId};
use molecule_store::workspaces;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{Caller, bearer, fresh, issue};
use crate::{App, AppError, AppResult};

/// Who gets one.
pub(super) const RULE: &str = "nobody unless test tokens are on; then the holder of ADMIN_TOKEN where that is set, \
                               else anybody in development and the admin elsewhere (10 §17.3, S074)";

/// A new bearer of a workspace. Only in development or with `MOLECULE_ENABLE_TEST_TOKENS=1`.
#[utoipa::path(get, path = "/admin/workspaces/{id}/test-token", tag = "auth", params(("id" = String, Path)),
    responses((status = 200), (status = 401), (status = 404), (status = 500)))]
pub(super) async fn test_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> AppResult<Json<Value>> {
    if !app.config.test_tokens && !app.config.development {
        return Err(AppError::not_found("not found"));
    }
    if !admitted(&app, &caller, &headers) {
        return Err(AppError::unauthorized("admin auth required"));
    }
    let missing = || AppError::not_found("workspace not found");
    let id = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let found = app.store.read(move |conn| workspaces::get(conn, id)).await;
    let found = found.map_err(|error| AppError::internal("lookup failed", &error))?;
    found.filter(|row| row.status != Status::Removed).ok_or_else(missing)?;
    let token = fresh();
    let text = token.expose().to_owned();
    let issued = app.store.write(move |tx| issue(tx, id, &token)).await;
    issued.map_err(|error| AppError::internal("token issue failed", &error))?;
    Ok(Json(json!({"auth_token": text, "workspace_id": id})))
}

/// Where `ADMIN_TOKEN` is set, exactly it and nothing else, compared in constant time (S074, S080). Unset means open
/// only in development: on a laptop every program and page could ask.
fn admitted(app: &App, caller: &Caller, headers: &HeaderMap) -> bool {
    match &app.config.admin_token {
        Some(token) => {
            bearer(headers).is_some_and(|shown| bool::from(shown.as_bytes().ct_eq(token.expose_secret().as_bytes())))
        }
        None => app.config.development || *caller == Caller::Admin,
    }
}
