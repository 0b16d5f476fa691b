//! The HTTP face of workspace templates (20 §11.1).

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa_axum::routes;

use super::{Kind, WorkspaceTemplate};
use crate::{App, auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new().at(Access::Admin, routes!(list)).at(Access::Admin, routes!(problems))
}

/// The roles to start from; broken ones are left out, see `/templates/problems`.
#[utoipa::path(get, path = "/templates", tag = "templates", responses((status = 200, body = Vec<WorkspaceTemplate>)))]
async fn list(State(app): State<App>) -> Json<Vec<WorkspaceTemplate>> {
    Json(app.templates.list().await.workspaces.clone())
}

/// A template that cannot be used, and why.
#[derive(Serialize, utoipa::ToSchema)]
struct Broken {
    #[schema(value_type = String)]
    kind: Kind,
    id: String,
    file: String,
    line: u64,
    column: u64,
    reason: String,
}

/// The templates that cannot be used.
#[derive(Serialize, utoipa::ToSchema)]
struct Problems {
    broken: Vec<Broken>,
}

/// The templates that cannot be used, with file, line and reason: this edition's addition.
#[utoipa::path(get, path = "/templates/problems", tag = "templates", responses((status = 200, body = Problems)))]
async fn problems(State(app): State<App>) -> Json<Problems> {
    let snapshot = app.templates.list().await;
    let broken = snapshot.problems.iter().cloned().map(|problem| Broken {
        kind: problem.kind,
        id: problem.id,
        file: problem.fault.file,
        line: problem.fault.line,
        column: problem.fault.column,
        reason: problem.fault.reason,
    });
    Json(Problems { broken: broken.collect() })
}
