//! Answers as the caller gets them: the agent's own, and what stands for one that did not come (10 §9.5–§9.9).

use axum::http::StatusCode;
use bytes::Bytes;
use molecule_model::Status;
use serde_json::json;

use super::{admission::loop_text, dispatch::Failure, flights::Verdict};
use crate::{App, AppError, registry::AddressRefused};

/// Upstream statuses that may mean a dead agent behind a tunnel or proxy (S139).
pub const SUSPICIOUS: [u16; 7] = [502, 503, 504, 521, 522, 523, 524];

const BUSY_AGAIN: u64 = 30;
const WAKING_AGAIN: u64 = 15;

fn unavailable(text: &'static str) -> AppError {
    AppError::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// 10 §9.5: nobody answers there.
pub fn no_url(status: Status) -> AppError {
    unavailable("workspace has no URL").with("status", json!(status))
}

/// 10 §9.5: it is being woken.
pub fn waking() -> AppError {
    unavailable("workspace is waking from hibernation — retry in ~15 seconds")
        .with("waking", json!(true))
        .retry_after(WAKING_AGAIN, true)
}

/// 10 §9.7: its process is gone and is being started anew (O-12).
pub fn restarting() -> AppError {
    unavailable("workspace agent unreachable — container restart triggered")
        .with("restarting", json!(true))
        .retry_after(WAKING_AGAIN, true)
}

/// 10 §9.7: it may be at work, and the message cannot wait for it here.
pub fn busy(app: &App, target: molecule_model::WorkspaceId) -> AppError {
    if app.presence.is_native(target, "session") {
        return unavailable("workspace agent busy — adapter handles retry (native_session)")
            .with("busy", json!(true))
            .retry_after(BUSY_AGAIN, true)
            .with("native_session", json!(true));
    }
    unavailable("workspace agent busy — retry after a short backoff")
        .with("busy", json!(true))
        .retry_after(BUSY_AGAIN, true)
}

/// The server stops.
pub fn stopping() -> AppError {
    unavailable("Molecule is stopping — send it again when it is back").code("stopping").retry_after(WAKING_AGAIN, true)
}

/// 10 §9.1 step 11; the reason is for the log.
pub fn unsafe_address(refused: AddressRefused) -> AppError {
    tracing::warn!(reason = %refused, "a stored url failed the address check");
    AppError::new(StatusCode::BAD_GATEWAY, "workspace URL is not publicly routable")
}

/// What stands for the answer of an agent that is alive, as far as is known.
pub fn unanswered(app: &App, target: molecule_model::WorkspaceId, failure: Failure) -> AppError {
    match failure {
        Failure::Refused(refused) => unsafe_address(refused),
        Failure::Unbuildable => AppError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to create proxy request"),
        Failure::Busy(_) | Failure::GivenUp(_) => busy(app, target),
        Failure::ConnectionRefused | Failure::Unreachable(_) => unreached(),
    }
}

fn unreached() -> AppError {
    AppError::new(StatusCode::BAD_GATEWAY, "failed to reach workspace agent")
}

/// The code of an answer that stands for an agent that nobody could connect to.
pub const UNREACHED: &str = "unreached";

/// What the queue reads of an agent that gave no answer to what it was sent from there: the reason, which the sender
/// is told in the end.
pub fn undelivered(failure: Failure) -> AppError {
    match failure {
        Failure::ConnectionRefused | Failure::Unreachable(_) => unreached().code(UNREACHED),
        Failure::Refused(refused) => unsafe_address(refused),
        Failure::Busy(_) | Failure::GivenUp(_) | Failure::Unbuildable => {
            AppError::new(StatusCode::GATEWAY_TIMEOUT, failure.text())
        }
    }
}

/// 10 §9.9: the connection broke within the answer.
pub fn unread(status: StatusCode) -> AppError {
    AppError::new(StatusCode::BAD_GATEWAY, "failed to read agent response")
        .with("delivery_confirmed", json!(status.is_success() || status.is_redirection()))
}

/// 10 §9.9: an agent's answer of 300 or more, its body replaced.
pub fn refused_by_agent(status: StatusCode, body: &Bytes) -> AppError {
    let text = molecule_a2a::reply::error_text(body);
    AppError::new(status, text.unwrap_or_else(|| status.canonical_reason().unwrap_or("agent error").to_owned()))
}

///
pub fn looping(verdict: Verdict) -> AppError {
    let error = AppError::new(StatusCode::LOOP_DETECTED, loop_text(verdict)).code("loop_detected");
    match verdict {
        Verdict::Paused { left, .. } => error.retry_after(left.as_secs().max(1), true),
        _ => error,
    }
}
