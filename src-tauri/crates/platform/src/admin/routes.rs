//! The HTTP face of operations.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa_axum::routes;

use crate::{App, auth::Access, http::Room};

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Open, routes!(health))
        .at(Access::Open, routes!(buildinfo))
        .at(Access::Open, routes!(metrics))
        .at(Access::Admin, routes!(liveness))
}

/// That the server answers; beside it which store holds secrets, what is still being recovered, and the loops.
#[utoipa::path(get, path = "/health", tag = "platform", responses((status = 200)))]
async fn health(State(app): State<App>) -> Json<Value> {
    let vault = app.vault.status();
    let mut body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "vault": vault,
        "subsystems": subsystems(&app),
    });
    let recovering = app.recovering.steps();
    if !recovering.is_empty() {
        body["recovering"] = json!(recovering);
    }
    if app.config.development {
        body["development"] = json!(true);
    }
    Json(body)
}

/// The commit that this server was built from, and its version.
#[utoipa::path(get, path = "/buildinfo", tag = "platform", responses((status = 200)))]
async fn buildinfo(State(app): State<App>) -> Json<Value> {
    Json(json!({"git_sha": app.config.git_sha, "version": env!("CARGO_PKG_VERSION")}))
}

/// Figures in Prometheus' text form.
#[utoipa::path(get, path = "/metrics", tag = "platform", responses((status = 200, content_type = "text/plain")))]
async fn metrics(State(app): State<App>) -> Response {
    let panics = app.tasks.beats().into_iter().map(|(name, beat)| (name, beat.panics));
    let text = app.metrics.render(app.bus.sockets(), panics);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// When each background loop last went round.
#[utoipa::path(get, path = "/admin/liveness", tag = "platform", responses((status = 200)))]
async fn liveness(State(app): State<App>) -> Json<Value> {
    Json(json!({"subsystems": subsystems(&app)}))
}

fn subsystems(app: &App) -> Map<String, Value> {
    let now = app.now();
    let beats = app.tasks.beats();
    beats
        .into_iter()
        .map(|(name, beat)| {
            let ago = now.seconds_since(beat.last_tick_at).max(0);
            (name.to_owned(), json!({"last_tick_at": beat.last_tick_at, "seconds_ago": ago, "panics": beat.panics}))
        })
        .collect()
}
