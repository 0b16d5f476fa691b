//! The HTTP face of the app itself: state, accepting agents, viewport.

use axum::{Json, extract::State};
use molecule_model::event::EventKind;
use molecule_store::{
    secrets as secret_rows,
    viewport::{self, Viewport},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    App, AppError, AppResult,
    auth::Access,
    http::{Room, body},
    secrets,
};

/// Longest time that unknown agents may register themselves, minutes.
const LONGEST: i64 = 10;

/// This room's routes.
pub fn router() -> Room {
    Room::new()
        .at(Access::Admin, routes!(state))
        .at(Access::Admin, routes!(accept_agents))
        .at(Access::Admin, routes!(retry_vault))
        .at(Access::Credential, routes!(get_viewport, put_viewport))
}

/// Facts about this computer: where secrets lie and which must be entered again, engine, models.
#[utoipa::path(get, path = "/app/state", tag = "app", responses((status = 200)))]
async fn state(State(app): State<App>) -> AppResult<Json<Value>> {
    let keys = app.store.read(secret_rows::configured_global).await?;
    let (missing, local) =
        tokio::join!(secrets::missing(&app), secrets::local_servers(app.outward.here(), app.endpoint.port));
    let mut vault = json!(app.vault.status());
    vault["missing"] = json!(missing?);
    let mut body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "installation_id": app.installation,
        "event_seq": app.bus.last_seq(),
        "platform_url": app.config.external_url.clone().unwrap_or_else(|| app.endpoint.url()),
        "vault": vault,
        "engine": {"state": "absent"},
        "models": {"keys": keys, "local": local},
        "development": app.config.development,
        "recovering": app.recovering.steps(),
    });
    let until = molecule_model::Timestamp::from_micros(app.auth.accepting_until());
    if until > app.now() {
        body["accepting_agents_until"] = json!(until);
    }
    Ok(Json(body))
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(default)]
struct Accept {
    minutes: Option<i64>,
}

/// Lets unknown local agents register themselves for some minutes; 0 ends it.
#[utoipa::path(post, path = "/app/accept-agents", tag = "app", request_body = Accept, responses((status = 200)))]
async fn accept_agents(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    let minutes = body.json_or_default::<Accept>().minutes.unwrap_or(LONGEST);
    if !(0..=LONGEST).contains(&minutes) {
        return Err(AppError::bad_request("minutes must be 0 to 10"));
    }
    let until = app.now().plus_seconds(minutes * 60);
    app.auth.accept_until(until.as_micros());
    app.bus.ephemeral(EventKind::PlatformChanged, None, app.now(), json!({"accepting_agents_until": until}));
    Ok(Json(json!({"until": until})))
}

/// Asks the keychain again, after the person unlocked it.
#[utoipa::path(post, path = "/app/vault/retry", tag = "app", responses((status = 200)))]
async fn retry_vault(State(app): State<App>) -> AppResult<Json<Value>> {
    let mut vault = json!(app.vault.retry().await);
    vault["missing"] = json!(secrets::missing(&app).await?);
    Ok(Json(vault))
}

/// Where the person last looked.
#[utoipa::path(get, path = "/canvas/viewport", tag = "app", responses((status = 200)))]
async fn get_viewport(State(app): State<App>) -> Json<Value> {
    let saved = app.store.read(viewport::get).await.ok().flatten();
    let Viewport { x, y, zoom } = saved.unwrap_or(Viewport { x: 0.0, y: 0.0, zoom: 1.0 });
    Json(json!({"x": x, "y": y, "zoom": zoom}))
}

#[derive(Deserialize, ToSchema)]
struct NewViewport {
    #[serde(default)]
    x: f64,
    #[serde(default)]
    y: f64,
    #[serde(default)]
    zoom: f64,
}

/// Saves where the person looks.
#[utoipa::path(put, path = "/canvas/viewport", tag = "app", request_body = NewViewport, responses((status = 200)))]
async fn put_viewport(State(app): State<App>, body: body::Bytes) -> AppResult<Json<Value>> {
    let new: NewViewport = body.json("invalid viewport data")?;
    let zoom = if new.zoom > 0.0 { new.zoom } else { 1.0 };
    app.store
        .write(move |tx| viewport::put(tx, Viewport { x: new.x, y: new.y, zoom }))
        .await
        .map_err(|error| AppError::internal("failed to save viewport", &error))?;
    Ok(Json(json!({"status": "saved"})))
}
