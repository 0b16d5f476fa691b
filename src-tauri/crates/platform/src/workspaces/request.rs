//! What a create request may say, and what it means once every field was looked at (20 §1.1 steps 1 to 6).

use std::collections::BTreeMap;

use molecule_model::{Status, WorkspaceId, runtime, wire::DeliveryMode};
use molecule_store::workspaces::{self, NewWorkspace, Workspace};
use molecule_vault::Secret;
use serde::Deserialize;
use serde_json::{Number, json};

use super::{fields, grid::Place, placing, seeds};
use crate::{
    App, AppError, AppResult,
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

/// A request whose every field is good.
pub(super) struct Checked {
    pub new: NewWorkspace,
    pub parent: Option<Workspace>,
    pub folder: Option<Folder>,
    pub model: String,
    pub secrets: Vec<(String, Secret)>,
    pub memories: Vec<seeds::Memory>,
    /// The URL of an external agent, `""` where it has none yet; `None`: not external.
    pub external: Option<String>,
}

fn invalid() -> AppError {
    AppError::bad_request("invalid workspace fields")
}

pub(super) async fn check(app: &App, request: Create) -> AppResult<Checked> {
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
        let Some(row) = workspaces::get(conn, parent)?.filter(|row| row.status != Status::Removed) else {
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
