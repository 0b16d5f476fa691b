//! Rules that stand before every agent's prompt (30 §12.5).

use axum::{
    Json,
    extract::{Path, State},
};
use molecule_store::instructions::{self, Rule};
use serde_json::{Value, json};
use utoipa_axum::routes;

use crate::{App, AppError, AppResult, auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new().at(Access::Workspace, routes!(resolve))
}

/// The rules of a workspace as one text.
#[utoipa::path(get, path = "/workspaces/{id}/instructions/resolve", tag = "instructions", params(("id" = String, Path)),
    responses((status = 200)))]
async fn resolve(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Value>> {
    let workspace = id.clone();
    let rules = app
        .store
        .read(move |conn| instructions::applying(conn, &workspace))
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    Ok(Json(json!({"workspace_id": id, "instructions": text(&rules)})))
}

fn text(rules: &[Rule]) -> String {
    let mut out = String::new();
    let mut scope = "";
    for rule in rules {
        if rule.scope != scope {
            scope = &rule.scope;
            let heading = if scope == "global" { "Platform-Wide Rules" } else { "Role-Specific Rules" };
            out.push_str(&format!("\n## {heading}\n\n"));
        }
        out.push_str(&format!("### {}\n{}\n\n", rule.title, rule.content));
    }
    out
}
