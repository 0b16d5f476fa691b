//! Making a workspace (20 §1.1, §1.2).

use std::collections::BTreeMap;

use axum::http::StatusCode;
use molecule_model::{
    Trigger, WorkspaceId,
    event::EventKind,
    runtime,
    wire::{DeliveryMode, WorkspaceAccess},
};
use molecule_store::{
    Tx, lifecycle, secrets, tokens,
    workspaces::{self, NewWorkspace, Workspace},
};
use molecule_vault::{Scope, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value, json};

use super::{
    external::{self, Connection},
    fields,
    grid::Place,
    placing, seeds,
};
use crate::{
    App, AppError, AppResult, auth,
    provisioning::{self, Content, Described, Reason},
    secrets::provider_of,
    templates::{CONFIG, Folder, first_model, top_level_runtime},
};

/// The tier where nobody chose one.
const TIER: i64 = 3;

/// The request.
#[derive(Default, Deserialize, utoipa::ToSchema)]
pub struct Create {
    name: Option<String>,
    role: Option<String>,
    template: Option<String>,
    tier: Option<i64>,
    model: Option<String>,
    runtime: Option<String>,
    external: Option<bool>,
    url: Option<String>,
    workspace_dir: Option<String>,
    workspace_access: Option<String>,
    parent_id: Option<String>,
    #[schema(value_type = Option<f64>)]
    budget_limit: Option<Number>,
    secrets: Option<BTreeMap<String, String>>,
    max_concurrent_tasks: Option<i64>,
    delivery_mode: Option<String>,
    canvas: Option<Canvas>,
    initial_memories: Option<Vec<Seed>>,
}

/// An absolute place.
#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
struct Canvas {
    x: f64,
    y: f64,
}

/// A memory to start with.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
struct Seed {
    content: String,
    scope: String,
}

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

/// A request whose every field is good.
struct Checked {
    new: NewWorkspace,
    parent: Option<Workspace>,
    folder: Option<Folder>,
    model: String,
    secrets: Vec<(String, Secret)>,
    memories: Vec<seeds::Memory>,
    /// The URL of an external agent, `""` where it has none yet; `None`: not external.
    external: Option<String>,
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

fn invalid() -> AppError {
    AppError::bad_request("invalid workspace fields")
}

async fn check(app: &App, request: Create) -> AppResult<Checked> {
    let name = request
        .name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| AppError::bad_request("invalid workspace payload"))?;
    let text = |text: Option<String>| text.unwrap_or_default();
    let (role, mut model) = (text(request.role), text(request.model));
    let mut runtime = text(request.runtime);
    let fields = [fields::name(&name), fields::role(&role), fields::model(&model), fields::runtime(&runtime)];
    if let Some(refusal) = fields.into_iter().find_map(Result::err) {
        tracing::debug!(refusal, "workspace field refused");
        return Err(invalid().with("reason", json!(refusal)));
    }
    let template = text(request.template);
    let folder = read_template(app, &template, &mut runtime, &mut model).await?;
    if runtime.trim().is_empty() {
        runtime = runtime::DEFAULT.to_owned();
    }
    let url = text(request.url);
    let external = (request.external == Some(true) || runtime == runtime::EXTERNAL).then_some(url);
    if external.is_some() {
        runtime = runtime::EXTERNAL.to_owned();
    }
    if let Some(url) = external.as_deref().filter(|url| !url.is_empty()) {
        let refuse = |error| invalid().with("reason", json!(format!("{error}")));
        // What can be said without asking the network; dialling checks the rest.
        app.messaging.rules().check_text(url).map_err(refuse)?;
    }
    let workspace_dir = request.workspace_dir.filter(|dir| !dir.is_empty());
    if let Some(dir) = &workspace_dir {
        let refuse =
            |reason: String| AppError::bad_request("invalid workspace directory").with("reason", json!(reason));
        fields::directory(dir, app.paths.root()).map_err(refuse)?;
    }
    let access = fields::access(&text(request.workspace_access), workspace_dir.as_deref())
        .map_err(|reason| AppError::bad_request("invalid workspace access").with("reason", json!(reason)))?;
    let delivery_mode = match text(request.delivery_mode).as_str() {
        // An agent without an address cannot be pushed to.
        "" if external.as_deref() == Some("") => DeliveryMode::Poll,
        "" => DeliveryMode::Push,
        word => DeliveryMode::parse(word).ok_or_else(|| AppError::bad_request("delivery_mode must be push or poll"))?,
    };
    let (parent, place) = place(app, request.parent_id, request.canvas).await?;
    let memories = request.initial_memories.unwrap_or_default();
    Ok(Checked {
        new: NewWorkspace {
            id: WorkspaceId::random(),
            name,
            role: Some(role).filter(|role| !role.is_empty()),
            tier: request.tier.filter(|tier| *tier != 0).unwrap_or(TIER),
            runtime,
            delivery_mode,
            parent_id: parent.as_ref().map(|parent| parent.id),
            template: Some(template).filter(|template| !template.is_empty()),
            workspace_dir,
            workspace_access: access,
            max_concurrent_tasks: request.max_concurrent_tasks.filter(|most| *most > 0).unwrap_or(1),
            budget_limit: request.budget_limit.as_ref().map(cents).transpose()?,
            x: place.x,
            y: place.y,
        },
        parent,
        folder,
        model,
        secrets: secret_values(request.secrets)?,
        memories: memories.iter().filter_map(|seed| seeds::memory(&seed.content, &seed.scope)).collect(),
        external,
    })
}

/// Whole cents; a fraction is cut toward zero.
fn cents(number: &Number) -> AppResult<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
    let whole = number.as_i64().or_else(|| number.as_f64().filter(|n| n.abs() < 9.0e18).map(|n| n.trunc() as i64));
    whole.filter(|cents| *cents >= 0).ok_or_else(invalid)
}

fn secret_values(given: Option<BTreeMap<String, String>>) -> AppResult<Vec<(String, Secret)>> {
    let all = given.unwrap_or_default();
    if all.keys().any(String::is_empty) {
        return Err(invalid());
    }
    Ok(all.into_iter().map(|(key, value)| (key, Secret::from(value))).collect())
}

/// The template's folder, and what it says where the caller did not (20 §1.1 step 4).
async fn read_template(
    app: &App,
    template: &str,
    runtime: &mut String,
    model: &mut String,
) -> AppResult<Option<Folder>> {
    if template.is_empty() {
        return Ok(None);
    }
    let (templates, name) = (app.templates.clone(), template.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        templates.find(&name).map(|folder| {
            let config = folder.as_ref().and_then(|folder| folder.text(CONFIG)).unwrap_or_default();
            (folder, config)
        })
    });
    let found = found.await.map_err(|error| AppError::internal("failed to create workspace", &error))?;
    let (folder, config) = found.map_err(|_| AppError::bad_request("invalid template"))?;
    if runtime.is_empty() {
        *runtime = top_level_runtime(&config).unwrap_or_default();
    }
    if model.is_empty() {
        *model = first_model(&config).unwrap_or_default();
    }
    Ok(folder)
}

/// The parent, which must exist, and the absolute place.
async fn place(app: &App, parent: Option<String>, canvas: Option<Canvas>) -> AppResult<(Option<Workspace>, Place)> {
    let given = canvas.map(|canvas| Place { x: canvas.x, y: canvas.y });
    let Some(parent) = parent.filter(|parent| !parent.is_empty()) else {
        return Ok((None, given.unwrap_or(Place { x: 0.0, y: 0.0 })));
    };
    let parent = WorkspaceId::parse_loose(&parent).ok_or_else(invalid)?;
    let found = app.store.read(move |conn| {
        let Some(row) = workspaces::get(conn, parent)?.filter(|row| row.status != molecule_model::Status::Removed)
        else {
            return Ok(None);
        };
        let place = placing::child(conn, &row, given)?;
        Ok(Some((row, place)))
    });
    let found = found.await.map_err(|error| AppError::internal("failed to create workspace", &error))?;
    let (row, place) =
        found.ok_or_else(|| invalid().with("reason", json!("parent_id must name an existing workspace")))?;
    Ok((Some(row), place))
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
    let written = tokio::task::spawn_blocking(move || {
        provisioning::populate(&configs, &content)?;
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
