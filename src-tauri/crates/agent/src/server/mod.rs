//! What an agent serves (40 §9): JSON-RPC, its card, its transcript, and files for the platform.

mod files;
mod guard;
mod rpc;
mod transcript;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use molecule_a2a::card::{AgentCard, Skill};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::profile::Profile;

/// Largest message, bytes: the platform's own limit with room for what it adds.
const MESSAGE_LIMIT: usize = 2 * 1024 * 1024;

/// What handlers work on.
#[derive(Clone)]
pub(crate) struct Served {
    agent: Arc<Agent>,
    card: Arc<Value>,
}

/// The card of this agent at `url`.
pub(crate) fn card(agent: &Agent, url: &str) -> Value {
    let profile = Profile::load(&agent.config.config_dir).unwrap_or_default();
    let name = agent.config.overrides.name.clone().unwrap_or_else(|| profile.name.clone());
    let role = agent.config.overrides.role.clone().unwrap_or_else(|| profile.role.clone());
    let description = if profile.description.is_empty() { role } else { profile.description.clone() };
    let skills = agent.skills(&profile).into_iter();
    let skills =
        skills.map(|each| Skill { tags: each.tags, ..Skill::new(each.id, each.name, each.description) }).collect();
    let card = AgentCard::new(name, description, &profile.version, url).and_v1().with_skills(skills);
    let mut card = serde_json::to_value(card).unwrap_or_default();
    card["runtime"] = json!("local");
    card["model"] = json!(profile.model(agent.config.overrides.model.as_deref()));
    card
}

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>, card: Value, stop: CancellationToken) {
    let served = Served { agent, card: Arc::new(card) };
    let router = Router::new()
        .route("/", post(rpc::call).get(show_card))
        .route("/.well-known/agent-card.json", get(show_card))
        .route("/.well-known/agent.json", get(show_card))
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/transcript", get(transcript::show))
        .route("/internal/file/read", get(files::read))
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .route("/internal/chat/uploads/ingest", post(files::ingest).layer(DefaultBodyLimit::max(files::REQUEST_LIMIT)))
        .layer(axum::middleware::from_fn(guard::programs_only))
        .with_state(served);
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "serving ended");
    }
}

async fn show_card(State(served): State<Served>) -> Json<Value> {
    Json(served.card.as_ref().clone())
}

/// Whether a request shows this bearer; no secret on disk admits nobody (40 §9).
fn shows(headers: &HeaderMap, secret: Option<&SecretString>) -> bool {
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (shown, secret) {
        (Some(shown), Some(secret)) => shown.trim().as_bytes().ct_eq(secret.expose_secret().as_bytes()).into(),
        _ => false,
    }
}
