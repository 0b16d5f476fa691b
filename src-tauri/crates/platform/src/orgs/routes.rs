//! The HTTP face of organisations (20 §12.1, §12.3).

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
};
use molecule_store::{secrets as secret_rows, workspaces as rows};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    Org, import, missing,
    plan::{Planned, Source, plan},
    read,
    schema::Place,
};
use crate::{
    App, AppError, AppResult,
    auth::Access,
    http::{Room, body},
    templates::{Folder, OrgTemplate},
};

/// Where the first organisation goes, and the gap to what stands already.
const FIRST: Place = Place { x: 100.0, y: 100.0 };
const GAP: f64 = 320.0;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new().at(Access::Admin, routes!(list)).at(Access::Admin, routes!(import_org))
}

/// The organisations to start from; broken ones are left out, see `/templates/problems`.
#[utoipa::path(get, path = "/org/templates", tag = "templates", responses((status = 200, body = Vec<OrgTemplate>)))]
async fn list(State(app): State<App>) -> Json<Vec<OrgTemplate>> {
    Json(app.templates.list().await.orgs.clone())
}

#[derive(Deserialize, ToSchema)]
struct Import {
    #[serde(default)]
    dir: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    template: Option<Value>,
}

#[derive(Deserialize)]
struct How {
    #[serde(default)]
    dry_run: bool,
}

/// Makes an organisation; with `dry_run=true` only says what it would make.
#[utoipa::path(post, path = "/org/import", tag = "templates", request_body = Import,
    params(("dry_run" = Option<bool>, Query)), responses((status = 200, description = "what it would make"), (status = 201), (status = 404), (status = 412, description = "variables missing")))]
async fn import_org(
    State(app): State<App>,
    Query(how): Query<How>,
    body: body::Bytes,
) -> AppResult<(StatusCode, Json<Value>)> {
    let wanted: Import = body.json("invalid request body")?;
    let (org, folder) = find(&app, &wanted)?;
    let needs = org.requirements();
    let configured: BTreeSet<String> = app
        .store
        .read(secret_rows::configured_global)
        .await
        .map_err(|error| AppError::internal("the configured variables could not be verified; try again", &error))?
        .into_iter()
        .collect();
    let lacking = missing(&needs.required, &configured);
    let origin = app.store.read(|conn| Ok(rows::list(conn)?.iter().map(|row| row.x).fold(None, furthest))).await?;
    let origin = origin.map_or(FIRST, |x| Place { x: x + GAP + 240.0, y: FIRST.y });
    let planned = plan(&org, &Source { folder: folder.as_ref(), templates: &app.templates, origin })?;
    if how.dry_run {
        let workspaces: Vec<Value> = planned.iter().map(shown).collect();
        let local = planned.iter().filter(|one| one.runtime == molecule_model::runtime::LOCAL).count();
        return Ok((
            StatusCode::OK,
            Json(json!({
                "dry_run": true, "org": org.name, "count": planned.len(), "workspaces": workspaces,
                "required_env": needs.required, "recommended_env": needs.recommended, "missing_env": lacking,
                "memory_mb": local * 15,
            })),
        ));
    }
    if !lacking.is_empty() {
        return Err(AppError::new(StatusCode::PRECONDITION_FAILED, "missing required environment variables")
            .with("missing_env", json!(lacking))
            .with("required_env", json!(needs.required))
            .with("template", json!(org.name))
            .with("suggestion", json!("Add the missing names in Settings, Secrets, then import again.")));
    }
    let results = import::carry_out(&app, &org, planned).await?;
    Ok((StatusCode::CREATED, Json(json!({"org": org.name, "count": results.len(), "workspaces": results}))))
}

fn furthest(so_far: Option<f64>, x: f64) -> Option<f64> {
    Some(so_far.map_or(x, |before| before.max(x)))
}

/// The organisation that a request names or carries.
fn find(app: &App, wanted: &Import) -> AppResult<(Org, Option<Folder>)> {
    let inline =
        wanted.template.as_ref().filter(|t| t.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty()));
    if !wanted.dir.is_empty() {
        let missing = || AppError::not_found(format!("org template not found: {}", wanted.dir));
        let folder = app
            .templates
            .find_org(&wanted.dir)
            .map_err(|_| AppError::bad_request("invalid org directory"))?
            .ok_or_else(missing)?;
        return match read(&folder) {
            Ok(Some(org)) => Ok((org, Some(folder))),
            Ok(None) => Err(missing()),
            Err(fault) => Err(AppError::bad_request("invalid org template")
                .code("invalid_template")
                .with("problem", json!(fault))),
        };
    }
    match inline {
        Some(template) => serde_json::from_value(template.clone()).map(|org| (org, None)).map_err(|error| {
            AppError::bad_request("invalid org template")
                .code("invalid_template")
                .with("problem", json!({"reason": error.to_string()}))
        }),
        None => Err(AppError::bad_request("provide 'dir' or 'template'")),
    }
}

fn shown(one: &Planned) -> Value {
    json!({"name": one.name, "role": one.role, "tier": one.tier, "runtime": one.runtime, "model": one.model,
           "parent": one.parent, "id": one.id, "external": one.external, "files": one.files.len(), "skipped": one.skipped})
}
