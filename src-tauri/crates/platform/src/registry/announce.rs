//! `POST /registry/register`, `/heartbeat`, `/update-card` (10 §4–§6, 40 §4–§5).

use std::{collections::BTreeMap, time::Duration};

use axum::{Extension, Json, extract::State, http::StatusCode};
use molecule_model::{Status, WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_store::registry::{self, Beat, Beaten, Registered, Registration, Standing};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use utoipa::ToSchema;

use super::{
    Overrides, beats,
    proof::{self, Proof},
};
use crate::{
    App, AppError, AppResult,
    auth::{self, Caller},
    http::body,
    messaging::queue::{self, Occasion},
};

const UNDECODABLE: &str = "invalid request body";
/// What clients without an address send (40 §4.1); never dialled.
const NO_INBOUND: &str = "remote://no-inbound";

#[derive(Deserialize, ToSchema)]
pub(super) struct Register {
    /// The workspace.
    #[serde(alias = "workspace_id")]
    id: String,
    /// Where the agent answers; needed in push mode only.
    #[serde(default)]
    url: Option<String>,
    /// Stored as it is.
    #[schema(value_type = Object)]
    agent_card: Box<RawValue>,
    /// `push` or `poll`.
    #[serde(default)]
    delivery_mode: Option<String>,
}

/// The answer to a register.
#[derive(Serialize, ToSchema)]
pub(super) struct Registering {
    status: &'static str,
    delivery_mode: DeliveryMode,
    /// Only when it was issued just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_inbound_secret: Option<String>,
}

/// A card as the text it came as. One that other readers would choke on is none.
fn card_of(given: &RawValue) -> AppResult<String> {
    let text = given.get();
    if molecule_a2a::normalise::is_sound(text) { Ok(text.to_owned()) } else { Err(AppError::bad_request(UNDECODABLE)) }
}

/// An id in a body: any spelling of a UUID.
fn id_of(text: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_loose(text).ok_or_else(|| AppError::bad_request(UNDECODABLE))
}

async fn standing(app: &App, id: WorkspaceId) -> AppResult<Option<Standing>> {
    Ok(app.store.read(move |conn| registry::standing(conn, id)).await?)
}

/// An agent announces itself.
#[utoipa::path(post, path = "/registry/register", tag = "registry", request_body = Register,
    responses((status = 200, body = Registering), (status = 400), (status = 401), (status = 410)))]
pub(super) async fn register(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: body::Bytes,
) -> AppResult<Json<Registering>> {
    let given: Register = body.json(UNDECODABLE)?;
    let id = id_of(&given.id)?;
    let card = card_of(&given.agent_card)?;
    let stated = given.delivery_mode.as_deref().filter(|mode| !mode.is_empty());
    let stated = match stated.map(DeliveryMode::parse) {
        Some(None) => return Err(AppError::bad_request("delivery_mode must be 'push' or 'poll'")),
        Some(mode) => mode,
        None => None,
    };
    let known = standing(&app, id).await?;
    let proof = proof::judge(&app, &caller, id, known.as_ref())?;
    if known.is_some_and(|known| known.status == Status::Removed) {
        return Err(removed(id));
    }
    let mode = stated.or(known.map(|known| known.delivery_mode)).unwrap_or(DeliveryMode::Push);
    let launched = known.is_some_and(|known| known.launched);
    let url = checked_url(&app, given.url.unwrap_or_default(), mode, launched).await?;
    let fresh = auth::fresh();
    let registration = Registration {
        id,
        url,
        card,
        mode,
        proven: proof == Proof::Own,
        may_create: proof::may_create(&app, &caller),
        token: fresh.row(false),
    };
    let done = app
        .store
        .write(move |tx| registry::register(tx, &registration))
        .await
        .map_err(|error| AppError::internal("registration failed", &error))?;
    let issued = match done {
        Registered::Done { issued } => issued,
        Registered::Removed => return Err(removed(id)),
        Registered::Taken | Registered::Unknown => return Err(proof::refusal(&caller)),
    };
    app.presence.registered(id, app.now());
    queue::drain(&app, id, Occasion::Ours);
    Ok(Json(Registering {
        status: "registered",
        delivery_mode: mode,
        auth_token: issued.then(|| fresh.expose().to_owned()),
        platform_inbound_secret: Some(inbound_secret(&app, id)),
    }))
}

/// The address to keep, judged where it counts (O-28, R-34).
async fn checked_url(app: &App, url: String, mode: DeliveryMode, launched: bool) -> AppResult<String> {
    if launched {
        return Ok(url);
    }
    let url = if mode == DeliveryMode::Poll && url == NO_INBOUND { String::new() } else { url };
    match (url.is_empty(), mode) {
        (true, DeliveryMode::Push) => Err(AppError::bad_request("url is required")),
        (true, DeliveryMode::Poll) => Ok(url),
        (false, _) => {
            app.messaging.rules().check(&url).await.map_err(|refused| AppError::bad_request(refused.to_string()))?;
            Ok(url)
        }
    }
}

/// O-3: no event, no token.
fn removed(id: WorkspaceId) -> AppError {
    AppError::new(StatusCode::GONE, "workspace removed")
        .with("id", json!(id))
        .with("hint", json!("This workspace was deleted. Create a new one and connect the agent to it."))
}

fn inbound_secret(app: &App, id: WorkspaceId) -> String {
    auth::inbound_secret(app, id).expose_secret().to_owned()
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Heartbeat {
    workspace_id: String,
    #[serde(default)]
    error_rate: Option<f64>,
    #[serde(default)]
    sample_error: Option<String>,
    #[serde(default)]
    active_tasks: Option<i64>,
    #[serde(default)]
    uptime_seconds: Option<i64>,
    /// Absent means empty.
    #[serde(default)]
    current_task: Option<String>,
    #[serde(default)]
    monthly_spend: Option<i64>,
    #[serde(default)]
    runtime_state: Option<String>,
    #[serde(default)]
    runtime_metadata: Option<RuntimeMetadata>,
}

#[derive(Deserialize, ToSchema)]
struct RuntimeMetadata {
    #[serde(default)]
    capabilities: Option<BTreeMap<String, bool>>,
    #[serde(default)]
    idle_timeout_seconds: Option<i64>,
}

impl RuntimeMetadata {
    fn overrides(self) -> Overrides {
        let seconds =
            self.idle_timeout_seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        Overrides {
            capabilities: self.capabilities.unwrap_or_default(),
            idle_timeout: seconds.map(Duration::from_secs),
        }
    }
}

/// A sign of life. Hot path: one write, no read before it.
#[utoipa::path(post, path = "/registry/heartbeat", tag = "registry", request_body = Heartbeat,
    responses((status = 200), (status = 400), (status = 401)))]
pub(super) async fn heartbeat(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let given: Heartbeat = body.json(UNDECODABLE)?;
    let id = id_of(&given.workspace_id)?;
    let proven = caller == Caller::Workspace(id);
    if !proven {
        proof::judge(&app, &caller, id, standing(&app, id).await?.as_ref())?;
    }
    let active_tasks = given.active_tasks.unwrap_or(0).max(0);
    let beat = Beat {
        id,
        proven,
        error_rate: given.error_rate.unwrap_or(0.0).clamp(0.0, 1.0),
        sample_error: given.sample_error.unwrap_or_default(),
        active_tasks,
        uptime_seconds: given.uptime_seconds.map(|seconds| seconds.max(0)),
        current_task: given.current_task.unwrap_or_default(),
        monthly_spend: given.monthly_spend.unwrap_or(0),
        runtime_state: given.runtime_state.unwrap_or_default(),
        native_status: app.presence.is_native(id, "status_mgmt"),
    };
    let beaten = beats::beat(&app, beat).await.map_err(|error| AppError::internal("failed to update", &error))?;
    let mut answer = json!({"status": "ok"});
    match beaten {
        Beaten::Taken => return Err(proof::refusal(&caller)),
        Beaten::Nobody { .. } => {}
        Beaten::Alive { side, uptime_seconds, waiting } => {
            if waiting {
                queue::drain(&app, id, Occasion::Heartbeat);
            }
            let now = app.now();
            app.presence.touch(id, now);
            if active_tasks > 0 {
                app.presence.working(id, now);
            }
            if !side {
                app.presence.describe(id, given.runtime_metadata.map(RuntimeMetadata::overrides).unwrap_or_default());
            }
            let payload = json!({"active_tasks": active_tasks, "uptime_seconds": uptime_seconds});
            app.bus.ephemeral(EventKind::WorkspaceHeartbeat, Some(id), now, payload);
            answer["platform_inbound_secret"] = json!(inbound_secret(&app, id));
        }
    }
    Ok(Json(answer))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct UpdateCard {
    workspace_id: String,
    /// Stored as it is.
    #[schema(value_type = Object)]
    agent_card: Box<RawValue>,
}

/// An agent's card changed.
#[utoipa::path(post, path = "/registry/update-card", tag = "registry", request_body = UpdateCard,
    responses((status = 200), (status = 400), (status = 401)))]
pub(super) async fn update_card(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let given: UpdateCard = body.json(UNDECODABLE)?;
    let id = id_of(&given.workspace_id)?;
    let card = card_of(&given.agent_card)?;
    let proven = caller == Caller::Workspace(id);
    if !proven {
        proof::judge(&app, &caller, id, standing(&app, id).await?.as_ref())?;
    }
    let stored = app
        .store
        .write(move |tx| registry::update_card(tx, id, &card, proven))
        .await
        .map_err(|error| AppError::internal("failed to update card", &error))?;
    if stored { Ok(Json(json!({"status": "updated"}))) } else { Err(proof::refusal(&caller)) }
}
