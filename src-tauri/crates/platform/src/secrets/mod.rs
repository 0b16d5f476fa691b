//! What a person entrusts to us: names and versions in the table, values in the vault (20 §9, R-9, R-102).
//!
//! A value goes to the vault first and its row second, under one lock per key, on a task that the client's
//! hang-up does not end. A value that the vault has lost is reported by name and never made anew.

mod environment;
mod model;
mod routes;
mod validate;

use std::{collections::BTreeMap, sync::Arc};

pub use environment::{Environment, environment};
pub use model::provider_of;
use molecule_model::{WorkspaceId, event::EventKind};
use molecule_store::secrets::{self as rows, SecretRow};
use molecule_vault::{Marker, Scope, Secret, StoreKind, VaultError, VaultState};
pub use routes::router;
use serde_json::{Value, json};
use tokio::sync::Mutex;
pub use validate::{LocalServer, Verdict, local_servers, validate};

use crate::{App, AppError, AppResult, Platform, provisioning};

/// Largest value, bytes.
pub const LARGEST: usize = 256 * 1024;

/// A workspace's model and provider (20 §9.4): kept like secrets, but none.
const CHOICES: [&str; 2] = ["MODEL_PROVIDER", "LLM_PROVIDER"];

/// Names that are being written now.
#[derive(Default)]
pub struct Writing(Mutex<BTreeMap<String, Arc<Mutex<()>>>>);

impl Writing {
    async fn lock(&self, account: String) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = Arc::clone(self.0.lock().await.entry(account).or_default());
        lock.lock_owned().await
    }
}

fn scope(workspace: Option<WorkspaceId>) -> Scope {
    workspace.map_or(Scope::Global, Scope::Workspace)
}

fn marker(row: &SecretRow) -> Marker {
    Marker {
        store: row.store.parse().unwrap_or(StoreKind::Sealed),
        length: usize::try_from(row.length).unwrap_or(0),
        check: row.check.clone(),
    }
}

/// Stores a value; answers where it went.
///
/// # Errors
/// 500 with the contract's text; 404 for an unknown workspace.
pub async fn set(app: &App, workspace: Option<WorkspaceId>, key: String, value: Secret) -> AppResult<StoreKind> {
    let worker = Arc::clone(app);
    // Detached: a client that hangs up must not leave the value without its row.
    let (done, answer) = tokio::sync::oneshot::channel();
    app.tasks.detach("secret-write", async move {
        let _ = done.send(store(&worker, workspace, key, value).await);
    });
    answer.await.map_err(|error| AppError::internal("failed to save", &error))?
}

async fn store(app: &Platform, workspace: Option<WorkspaceId>, key: String, value: Secret) -> AppResult<StoreKind> {
    let scope = scope(workspace);
    let _turn = app.writing.lock(scope.account(&key)).await;
    let (cipher, save) = match workspace {
        None => ("failed to encrypt", "failed to save"),
        Some(_) => ("failed to encrypt secret", "failed to save secret"),
    };
    let stored = app.vault.put(&scope, &key, &value).await.map_err(|error| AppError::internal(cipher, &error))?;
    let length = i64::try_from(stored.length).unwrap_or(i64::MAX);
    let (kept, check) = (stored.store, stored.check);
    app.store
        .write(move |tx| rows::put(tx, workspace, &key, kept.as_str(), length, &check))
        .await
        .map_err(|error| AppError::internal(save, &error))?;
    Ok(kept)
}

/// Deletes a value. `false`: there was none.
///
/// # Errors
/// 500 with the contract's text.
pub async fn delete(app: &App, workspace: Option<WorkspaceId>, key: String) -> AppResult<bool> {
    let scope = scope(workspace);
    let _turn = app.writing.lock(scope.account(&key)).await;
    let failed = |error: &dyn std::fmt::Display| AppError::internal("failed to delete secret", error);
    let name = key.clone();
    let row = app.store.read(move |conn| rows::get(conn, workspace, &name)).await.map_err(|error| failed(&error))?;
    let Some(row) = row else { return Ok(false) };
    let name = key.clone();
    app.store.write(move |tx| rows::delete(tx, workspace, &name)).await.map_err(|error| failed(&error))?;
    if let Err(error) = app.vault.delete(&scope, &key, marker(&row).store).await {
        tracing::warn!(%error, "a deleted secret's value stays in its store for now");
    }
    Ok(true)
}

/// The value behind a row.
async fn value(app: &Platform, row: &SecretRow) -> Result<Secret, VaultError> {
    app.vault.get(&scope(row.workspace), &row.key, &marker(row)).await
}

/// Restarts what a changed secret reaches (S060, 20 §9.3), each once it has finished what it works on.
pub async fn restart_reached(app: &App, workspace: Option<WorkspaceId>, key: String) {
    let ids = match workspace {
        Some(id) => vec![id],
        None => match app.store.read(move |conn| rows::reached_by_global(conn, &key)).await {
            Ok(found) => found.into_iter().map(|(id, _)| id).collect(),
            Err(error) => {
                tracing::error!(%error, "who uses a changed secret could not be read");
                return;
            }
        },
    };
    for id in ids {
        provisioning::restart_when_free(app, id);
    }
}

/// The names that cannot be read now, for the screen that asks for them again (Done when 12).
///
/// # Errors
/// When the table cannot be read.
pub async fn missing(app: &Platform) -> AppResult<Vec<Value>> {
    let (secrets, names) = app
        .store
        .read(|conn| {
            let names: BTreeMap<WorkspaceId, String> =
                molecule_store::workspaces::list(conn)?.into_iter().map(|w| (w.id, w.name)).collect();
            Ok((rows::all(conn)?, names))
        })
        .await?;
    let mut missing = Vec::new();
    // What a person chose in a list is asked for there, not on the screen for lost keys.
    for row in secrets.into_iter().filter(|row| !CHOICES.contains(&row.key.as_str())) {
        if let Err(VaultError::Lost(reason)) = value(app, &row).await {
            let mut item = json!({"scope": scope(row.workspace).kind(), "key": row.key, "reason": reason, "text": reason.to_string()});
            if let Some(id) = row.workspace {
                item["workspace_id"] = json!(id);
                item["workspace_name"] = json!(names.get(&id));
            }
            missing.push(item);
        }
    }
    Ok(missing)
}

/// Tells screens when the vault's state changes, and restarts what waited for it.
pub fn start(app: &App) {
    let app = Arc::clone(app);
    app.clone().tasks.supervise("vault-watch", move |stop| {
        let app = Arc::clone(&app);
        async move {
            let mut changes = app.vault.subscribe();
            loop {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = stop.cancelled() => return,
                }
                let status = changes.borrow_and_update().clone();
                app.bus.ephemeral(EventKind::PlatformChanged, None, app.now(), json!({"vault": status}));
                if status.state == VaultState::Ready {
                    provisioning::retry_failed_for_secrets(&app).await;
                }
            }
        }
    });
}
