//! Where a workspace's chat files are: with its agent, or here. One way to find out for both directions (S178).

use axum::http::StatusCode;
use molecule_model::{Status, WorkspaceId, runtime, wire::DeliveryMode};
use molecule_store::workspaces::{self, Workspace};
use molecule_vault::VaultState;
use secrecy::SecretString;
use serde_json::json;

use super::Op;
use crate::{
    App, AppError, AppResult,
    auth::{self, Inbound},
};

/// What poll agents report that have no address.
const NO_INBOUND: &str = "remote://no-inbound";
/// After so many seconds an agent has learned a new secret from a heartbeat (10 §13).
const LEARNED_AFTER: u64 = 30;

/// Where the files are.
pub(super) enum Place {
    /// With the agent.
    Agent(Agent),
    /// In the workspace's folder of the data directory.
    Here,
}

/// An agent that is asked.
pub(super) struct Agent {
    /// Whose it is.
    pub(super) id: WorkspaceId,
    /// Its address, as it was stored.
    pub(super) url: String,
    /// What we show it.
    pub(super) secret: SecretString,
}

/// The id in a path.
///
/// # Errors
/// 400 `invalid workspace ID`.
pub(super) fn workspace(id: &str) -> AppResult<WorkspaceId> {
    WorkspaceId::parse_loose(id).ok_or_else(|| AppError::bad_request("invalid workspace ID"))
}

/// Its row.
///
/// # Errors
/// 404 where there is none, or only a tombstone.
pub(super) async fn row(app: &App, id: WorkspaceId) -> AppResult<Workspace> {
    let found = app.store.read(move |conn| workspaces::get(conn, id)).await?;
    found.filter(|row| row.status != Status::Removed).ok_or_else(|| AppError::not_found("workspace not found"))
}

/// Where its files are, with all that a forward needs (10 §13, O-24: the address before the secret).
///
/// # Errors
/// 503 where there is no address yet or no secret; 502 where the address is not allowed (O-28).
pub(super) async fn of(app: &App, row: &Workspace, op: Op) -> AppResult<Place> {
    let Some(url) = row.live_url().filter(|url| *url != NO_INBOUND) else {
        return if is_kept_here(row.delivery_mode, row.status, &row.runtime, row.launched) {
            Ok(Place::Here)
        } else {
            Err(no_url(row, op))
        };
    };
    if let Err(refused) = app.messaging.rules().check(url).await {
        tracing::warn!(workspace_id = %row.id, reason = %refused, "chat_files {op}: the address is not allowed");
        return Err(AppError::new(StatusCode::BAD_GATEWAY, "workspace URL is not publicly routable")
            .with("reason", json!(refused.to_string())));
    }
    let secret = secret(app, row.id, op)?;
    Ok(Place::Agent(Agent { id: row.id, url: url.to_owned(), secret }))
}

/// nobody can be forwarded to and nobody is coming up.
fn is_kept_here(mode: DeliveryMode, status: Status, runtime: &str, launched: bool) -> bool {
    let ours = launched || (status == Status::Provisioning && runtime != runtime::EXTERNAL);
    mode == DeliveryMode::Poll || !ours
}

fn no_url(row: &Workspace, op: Op) -> AppError {
    tracing::info!(workspace_id = %row.id, status = row.status.as_str(), "chat_files {op}: no address");
    AppError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("workspace has no address while it is {}: try again when it is online", row.status.as_str()),
    )
    .code("no_url")
}

/// The four ways that this ends (S175): known; made just now, so that the agent has to learn it first; or it may exist
/// and cannot be read, and then none is made over it.
fn secret(app: &App, id: WorkspaceId, op: Op) -> AppResult<SecretString> {
    let out_of_reach = matches!(app.vault.status().state, VaultState::Locked | VaultState::Unavailable);
    match auth::inbound_secret_or(app, id, !out_of_reach) {
        Inbound::Known(secret) => Ok(secret),
        Inbound::Made(_) => {
            tracing::info!(workspace_id = %id, "chat_files {op}: a secret was made; the agent has to learn it");
            Err(AppError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the workspace's inbound secret was made just now and its agent learns it with the next heartbeat: \
                 retry in 30 seconds",
            )
            .code("inbound_secret_made")
            .with("retry_after_seconds", json!(LEARNED_AFTER))
            .retry_after(LEARNED_AFTER, false))
        }
        Inbound::Unreadable => {
            tracing::warn!(workspace_id = %id, "chat_files {op}: the secret cannot be read");
            Err(AppError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the workspace's inbound secret cannot be read: unlock the keychain, or have the workspace \
                 reprovisioned (RFC #2312)",
            )
            .code("inbound_secret_unreadable"))
        }
    }
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, wire::DeliveryMode};

    use super::is_kept_here;

    #[test]
    fn r22_r110_what_is_kept_here() {
        let (push, poll) = (DeliveryMode::Push, DeliveryMode::Poll);
        let table = [
            (poll, Status::Online, "external", false, true),
            (poll, Status::Provisioning, "claude-code", false, true),
            (push, Status::AwaitingAgent, "external", false, true),
            (push, Status::Online, "claude-code", false, true),
            (push, Status::Failed, "claude-code", false, true),
            (push, Status::Provisioning, "claude-code", false, false),
            (push, Status::Provisioning, "external", false, true),
            (push, Status::Provisioning, "local", true, false),
            (push, Status::Offline, "local", true, false),
            (push, Status::Paused, "local", true, false),
        ];
        for (mode, status, runtime, launched, want) in table {
            let got = is_kept_here(mode, status, runtime, launched);
            assert_eq!(got, want, "{mode:?} {status:?} {runtime} launched={launched}");
        }
    }
}
