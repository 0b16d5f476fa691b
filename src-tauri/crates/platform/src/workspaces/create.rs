//! Making a workspace (20 §1.1, §1.2): its files, the values of its secrets, its rows, its agent.

use axum::http::StatusCode;
use molecule_model::{Trigger, WorkspaceId, event::EventKind, runtime, wire::WorkspaceAccess};
use molecule_store::{
    Tx, lifecycle, secrets, tokens,
    workspaces::{self, NewWorkspace, Workspace},
};
use molecule_vault::{Scope, Secret};
use serde::Serialize;
use serde_json::{Value, json};

pub use super::request::Create;
use super::{
    external::{self, Connection},
    grid::Place,
    request::{Checked, check},
};
use crate::{
    App, AppError, AppResult, auth,
    provisioning::{self, Content, Described, Reason},
    secrets::provider_of,
    templates::CONFIG,
};

/// The answer.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Created {
    /// An agent is being started.
    Launching {
        /// The new workspace.
        id: WorkspaceId,
        /// `provisioning`.
        status: &'static str,
        /// `workspace:<id>`.
        awareness_namespace: String,
        /// What it may do in its folder.
        workspace_access: WorkspaceAccess,
    },
    /// An agent of the person's own.
    External {
        /// The new workspace.
        id: WorkspaceId,
        /// `true`.
        external: bool,
        /// `online` or `awaiting_agent`.
        status: &'static str,
        /// How to connect, where no URL was given.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection: Option<Box<Connection>>,
    },
}

/// Checks everything, then writes everything, then starts the agent behind the answer.
///
/// # Errors
/// 400 with the contract's texts; 500 when something could not be written, and then nothing was.
pub async fn create(app: &App, request: Create) -> AppResult<Created> {
    let checked = check(app, request).await?;
    let id = checked.new.id;
    let has_files = checked.external.is_none();
    if has_files && let Err(error) = write_files(app, &checked).await {
        remove_files(app, id).await;
        return Err(error);
    }
    let stored = match store_values(app, &checked).await {
        Ok(stored) => stored,
        Err(error) => {
            remove_files(app, id).await;
            return Err(error);
        }
    };
    match insert(app, checked, stored.clone()).await {
        Ok(created) => {
            if has_files {
                provisioning::launch(app, id, Reason::Created);
            }
            Ok(created)
        }
        Err(error) => {
            remove_files(app, id).await;
            for value in stored {
                drop(app.vault.delete(&Scope::Workspace(id), &value.key, value.store).await);
            }
            Err(error)
        }
    }
}

/// Writes what 20 §7.1 resolves into the config folder.
async fn write_files(app: &App, checked: &Checked) -> AppResult<()> {
    let new = &checked.new;
    let folder = match &checked.folder {
        None if new.template.is_some() => app.templates.runtime_default(&new.runtime).map(|(_, folder)| folder),
        folder => folder.clone(),
    };
    let generated = match &folder {
        Some(_) => Vec::new(),
        None => {
            let of = Described {
                name: &new.name,
                role: new.role.as_deref().unwrap_or_default(),
                tier: new.tier,
                runtime: &new.runtime,
                model: &checked.model,
            };
            vec![(CONFIG.to_owned(), provisioning::default_config(of))]
        }
    };
    let content = Content { folder, generated, beside: Vec::new() };
    let (configs, safe) = (app.paths.configs(new.id), runtime::safe(&new.runtime));
    let model = Some(checked.model.clone()).filter(|model| safe == runtime::LOCAL && !model.is_empty());
    let written = tokio::task::spawn_blocking(move || {
        provisioning::populate(&configs, &content)?;
        if let Some(model) = model {
            provisioning::name_model(&configs, &model)?;
        }
        provisioning::name_runtime(&configs, safe)
    });
    let failed = |error: &dyn std::fmt::Display| AppError::internal("failed to create workspace", error);
    written.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

async fn remove_files(app: &App, id: WorkspaceId) {
    let folder = app.paths.workspace(id);
    drop(tokio::task::spawn_blocking(move || provisioning::remove(&folder, true)).await);
}

/// A secret whose value the vault has taken.
#[derive(Clone)]
struct Stored {
    key: String,
    store: molecule_vault::StoreKind,
    length: i64,
    check: String,
}

/// Puts the values into the vault: the caller's, which must succeed, and the model's choice, which need not.
async fn store_values(app: &App, checked: &Checked) -> AppResult<Vec<Stored>> {
    let scope = Scope::Workspace(checked.new.id);
    let mut stored = Vec::new();
    for (key, value) in &checked.secrets {
        match put(app, &scope, key, value).await {
            Ok(value) => stored.push(value),
            Err(error) => {
                for value in &stored {
                    drop(app.vault.delete(&scope, &value.key, value.store).await);
                }
                tracing::error!(%error, "a secret of a new workspace could not be stored");
                return Err(AppError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("failed to encrypt secret: {key}"),
                ));
            }
        }
    }
    let provider = provider_of(&checked.model);
    let choices = [("MODEL_PROVIDER", Some(checked.model.as_str())), ("LLM_PROVIDER", provider)];
    for (key, value) in choices.into_iter().filter_map(|(key, value)| Some((key, value.filter(|v| !v.is_empty())?))) {
        stored.retain(|given: &Stored| given.key != key);
        match put(app, &scope, key, &Secret::from(value.to_owned())).await {
            Ok(value) => stored.push(value),
            Err(error) => tracing::warn!(%error, key, "the model of a new workspace could not be stored"),
        }
    }
    Ok(stored)
}

async fn put(app: &App, scope: &Scope, key: &str, value: &Secret) -> Result<Stored, molecule_vault::VaultError> {
    let marker = app.vault.put(scope, key, value).await?;
    Ok(Stored {
        key: key.to_owned(),
        store: marker.store,
        length: i64::try_from(marker.length).unwrap_or(i64::MAX),
        check: marker.check,
    })
}

/// One transaction: the row, its secrets' names, its memories, its events (20 §1.1 steps 7 to 10).
async fn insert(app: &App, checked: Checked, stored: Vec<Stored>) -> AppResult<Created> {
    let Checked { new, parent, memories, external, .. } = checked;
    let id = new.id;
    let token = matches!(external.as_deref(), Some("")).then(auth::fresh);
    let row = token.as_ref().map(|token| token.row(false));
    let (name, access) = (new.name.clone(), new.workspace_access);
    let kind = external.clone();
    app.store
        .write(move |tx| {
            workspaces::insert(tx, &new)?;
            for secret in &stored {
                secrets::put(tx, Some(id), &secret.key, secret.store.as_str(), secret.length, &secret.check)?;
            }
            for memory in &memories {
                memory.store(tx, id)?;
            }
            tx.record(EventKind::WorkspaceProvisioning, id, announcement(&new, parent.as_ref()))?;
            match kind.as_deref() {
                None => Ok(()),
                Some("") => {
                    if let Some(row) = &row {
                        tokens::issue(tx, id, row)?;
                    }
                    await_agent(tx, id, &new.name)
                }
                Some(url) => {
                    workspaces::transition(tx, id, Trigger::ExternalWithUrl)?;
                    lifecycle::given_url(tx, id, url)?;
                    tx.record(EventKind::WorkspaceOnline, id, json!({"name": new.name, "external": true})).map(drop)
                }
            }
        })
        .await
        .map_err(|error| AppError::internal("failed to create workspace", &error))?;
    let Some(url) = external else {
        let awareness_namespace = format!("workspace:{id}");
        return Ok(Created::Launching { id, status: "provisioning", awareness_namespace, workspace_access: access });
    };
    if !url.is_empty() {
        return Ok(Created::External { id, external: true, status: "online", connection: None });
    }
    super::tell_older_screens(app, id);
    let text = token.as_ref().map_or("", |token| token.expose());
    let connection = external::connection(&external::platform_url(app), id, &name, text);
    Ok(Created::External { id, external: true, status: "awaiting_agent", connection: Some(Box::new(connection)) })
}

/// What `WORKSPACE_PROVISIONING` says of a new row.
fn announcement(new: &NewWorkspace, parent: Option<&Workspace>) -> Value {
    let place = Place { x: new.x, y: new.y };
    let shown = parent.map_or(place, |parent| place.relative_to(Place { x: parent.x, y: parent.y }));
    let mut payload = json!({"name": new.name, "tier": new.tier, "runtime": new.runtime, "x": shown.x, "y": shown.y});
    if let Some(parent) = parent {
        payload["parent_id"] = json!(parent.id);
    }
    payload
}

/// An external workspace without an agent: the status and its event.
///
/// # Errors
/// When the rows cannot be written.
pub fn await_agent(tx: &mut Tx<'_>, id: WorkspaceId, name: &str) -> molecule_store::Result<()> {
    if workspaces::transition(tx, id, Trigger::AwaitAgent)?.is_some() {
        lifecycle::forget_url(tx, id)?;
        tx.record(EventKind::WorkspaceAwaitingAgent, id, json!({"name": name, "external": true}))?;
    }
    Ok(())
}
