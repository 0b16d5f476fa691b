//! Restart, pause, resume (20 §3).

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use molecule_model::{Status, Trigger, WorkspaceId, event::EventKind, runtime};
use molecule_store::{
    lifecycle,
    workspaces::{self, Workspace},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::create::await_agent;
use crate::{
    App, AppError, AppResult,
    provisioning::{self, Order, Reason, is_self_registered, provisioning_payload},
    templates::{CONFIG, Folder, top_level_runtime},
};

/// A correcting event comes this long after a reply that changed nothing.
const CORRECTION: Duration = Duration::from_millis(300);

/// What a restart may be asked for.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Restart {
    /// Lay this template over the config folder.
    template: Option<String>,
    /// Allow a template of the workspace's name, or its runtime's.
    apply_template: bool,
    /// Allow a role folder of an org template.
    rebuild_config: bool,
    /// Forget the agent's session.
    pub reset: bool,
}

/// The answer to a restart.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum Restarted {
    /// It is on its way.
    Begun {
        /// `provisioning`.
        status: &'static str,
        /// Where its config comes from.
        config_dir: String,
        /// Whether its session is forgotten.
        reset_session: bool,
    },
    /// There is nothing of ours to restart.
    Nothing {
        /// `noop`.
        status: &'static str,
        /// `external`.
        runtime: &'static str,
        /// Why.
        message: &'static str,
    },
}

fn lookup_failed(error: &dyn std::fmt::Display) -> AppError {
    AppError::internal("lookup failed", error)
}

fn unavailable() -> AppError {
    AppError::new(StatusCode::SERVICE_UNAVAILABLE, "provisioner not available")
}

fn below_paused(name: &str) -> AppError {
    AppError::conflict(format!("parent workspace \"{name}\" is paused — resume it first"))
}

/// Restarts behind the answer (S227).
///
/// # Errors
/// 404, 409 below a paused ancestor, 503 without a launcher.
pub async fn restart(app: &App, id: WorkspaceId, asked: &Restart) -> AppResult<Restarted> {
    let missing = || AppError::not_found("workspace not found");
    let found = app.store.read(move |conn| Ok((workspaces::get(conn, id)?, workspaces::paused_ancestor(conn, id)?)));
    let (row, paused) = found.await.map_err(|error| lookup_failed(&error))?;
    let row = row.filter(|row| row.status != Status::Removed).ok_or_else(missing)?;
    if let Some(name) = paused {
        return Err(below_paused(&name));
    }
    if row.runtime == runtime::EXTERNAL {
        correct_screens(app, &row);
        let message = "external workspaces are run by their operator: restart the agent there";
        return Ok(Restarted::Nothing { status: "noop", runtime: runtime::EXTERNAL, message });
    }
    if !app.provisioning.has_launcher(&row.runtime).await {
        return Err(unavailable());
    }
    let changed = if asked.apply_template { None } else { changed_runtime(app, &row).await };
    let (folder, label) = source(app, &row, asked).await;
    let begun = app
        .store
        .write(move |tx| {
            if let Some(runtime) = &changed {
                let edit = lifecycle::Edit { runtime: Some(runtime.clone()), ..lifecycle::Edit::default() };
                lifecycle::edit(tx, id, &edit)?;
            }
            let Some(row) = workspaces::get(tx, id)? else { return Ok(None) };
            lifecycle::begin(tx, id, Trigger::Restart, provisioning_payload(&row))
        })
        .await?;
    begun.ok_or_else(missing)?;
    provisioning::submit(app, id, Order::from_template(Reason::Restarted, folder));
    Ok(Restarted::Begun { status: "provisioning", config_dir: label, reset_session: asked.reset })
}

/// The runtime that the agent's own config names, where it runs and names another than the row (20 §3.1 step 5).
async fn changed_runtime(app: &App, row: &Workspace) -> Option<String> {
    if provisioning::instance_state(app, row.id).await != provisioning::Instance::Running {
        return None;
    }
    let text = tokio::fs::read_to_string(app.paths.configs(row.id).join(CONFIG)).await.ok()?;
    let named = top_level_runtime(&text)?;
    let other = named != row.runtime && runtime::safe(&named) == named && named != runtime::EXTERNAL;
    (other && app.provisioning.has_launcher(&named).await).then_some(named)
}

/// The five tiers of 20 §7.2: never a template that nobody asked for.
async fn source(app: &App, row: &Workspace, asked: &Restart) -> (Option<Folder>, String) {
    let templates = app.templates.clone();
    let (given, apply, rebuild) =
        (asked.template.clone().filter(|name| !name.is_empty()), asked.apply_template, asked.rebuild_config);
    let (id, name, runtime) = (row.id, row.name.clone(), row.runtime.clone());
    let look = move || {
        if let Some(given) = &given {
            match templates.find(given) {
                Ok(Some(folder)) => return Some((given.clone(), folder)),
                _ => {
                    tracing::warn!(workspace_id = %id, "the template of a restart is unknown or leads out of its root")
                }
            }
        } else if apply && let Some(found) = templates.by_name(&name) {
            return Some(found);
        }
        let role = rebuild.then(|| templates.org_role_by_name(&name)).flatten();
        role.or_else(|| (apply && !runtime.is_empty()).then(|| templates.runtime_default(&runtime)).flatten())
    };
    match tokio::task::spawn_blocking(look).await.ok().flatten() {
        Some((label, folder)) => (Some(folder), label),
        None => (None, "existing-volume".to_owned()),
    }
}

/// A screen that guessed "starting" is corrected.
fn correct_screens(app: &App, row: &Workspace) {
    let kind = match row.status {
        Status::Online => EventKind::WorkspaceOnline,
        Status::Degraded => EventKind::WorkspaceDegraded,
        Status::Paused => EventKind::WorkspacePaused,
        _ => EventKind::WorkspaceOffline,
    };
    let payload = match kind {
        EventKind::WorkspacePaused => json!({"name": row.name}),
        EventKind::WorkspaceDegraded => {
            json!({"error_rate": row.last_error_rate, "sample_error": row.last_sample_error.clone().unwrap_or_default()})
        }
        _ => json!({}),
    };
    let (app, id) = (app.clone(), row.id);
    app.clone().tasks.detach("correct-screens", async move {
        tokio::time::sleep(CORRECTION).await;
        app.bus.ephemeral(kind, Some(id), app.now(), payload);
    });
}

/// Pauses a workspace and everything below it that is not paused yet. Answers how many.
///
/// # Errors
/// 404 where it is unknown or paused already.
pub async fn pause(app: &App, id: WorkspaceId) -> AppResult<usize> {
    let paused = app
        .store
        .write(move |tx| {
            let Some(target) =
                workspaces::get(tx, id)?.filter(|row| !matches!(row.status, Status::Removed | Status::Paused))
            else {
                return Ok(Vec::new());
            };
            let mut paused = Vec::new();
            for row in std::iter::once(target).chain(lifecycle::below(tx, id, false)?) {
                if workspaces::transition(tx, row.id, Trigger::Pause)?.is_some() {
                    lifecycle::forget_url(tx, row.id)?;
                    tx.record(EventKind::WorkspacePaused, row.id, json!({"name": row.name}))?;
                    paused.push(row.id);
                }
            }
            Ok(paused)
        })
        .await
        .map_err(|error| lookup_failed(&error))?;
    if paused.is_empty() {
        return Err(AppError::not_found("workspace not found or already paused"));
    }
    join_all(paused.iter().map(|id| halt(app, *id, Trigger::Pause, EventKind::WorkspacePaused))).await;
    Ok(paused.len())
}

/// Stops what runs for a workspace that was just paused. An agent that registered in that moment lifted the
/// pause: it is set again now that it is gone. A failing stop is logged (20 §3.3).
async fn halt(app: &App, id: WorkspaceId, trigger: Trigger, kind: EventKind) {
    let turn = provisioning::stop(app, id).await;
    app.presence.forget(id);
    let settled = app.store.write(move |tx| {
        if workspaces::transition_only_from(tx, id, trigger, &[Status::Online])?.is_some() {
            let name = workspaces::get(tx, id)?.map(|row| row.name);
            tx.record(kind, id, json!({"name": name}))?;
        }
        lifecycle::forget_url(tx, id)
    });
    if let Err(error) = settled.await {
        tracing::error!(workspace_id = %id, %error, "a stop could not be written down");
    }
    drop(turn);
}

/// How a resume went.
pub struct Resumed {
    /// `provisioning` or `awaiting_agent`.
    pub status: &'static str,
    /// How many.
    pub count: usize,
}

/// Whether a row waits for its operator's agent rather than for a launch of ours.
fn waits_for_its_operator(row: &Workspace) -> bool {
    row.runtime == runtime::EXTERNAL || is_self_registered(row)
}

/// Resumes a workspace and the paused ones below it.
///
/// # Errors
/// 404, 409 below a paused ancestor, 503 where one of them needs a launcher that is not there.
pub async fn resume(app: &App, id: WorkspaceId) -> AppResult<Resumed> {
    let found = app.store.read(move |conn| {
        let Some(row) = workspaces::get(conn, id)?.filter(|row| row.status == Status::Paused) else { return Ok(None) };
        Ok(Some((workspaces::paused_ancestor(conn, id)?, row, lifecycle::below(conn, id, true)?)))
    });
    let found = found.await.map_err(|error| lookup_failed(&error))?;
    let (ancestor, target, below) = found.ok_or_else(|| AppError::not_found("workspace not found or not paused"))?;
    if let Some(name) = ancestor {
        return Err(below_paused(&name));
    }
    let status = if waits_for_its_operator(&target) { "awaiting_agent" } else { "provisioning" };
    let rows: Vec<Workspace> = std::iter::once(target).chain(below).collect();
    for row in rows.iter().filter(|row| !waits_for_its_operator(row)) {
        if !app.provisioning.has_launcher(&row.runtime).await {
            return Err(unavailable());
        }
    }
    let moved = app
        .store
        .write(move |tx| {
            let mut moved = Vec::new();
            for row in &rows {
                let own = !waits_for_its_operator(row);
                if own {
                    if lifecycle::begin(tx, row.id, Trigger::Resume, provisioning_payload(row))?.is_none() {
                        continue;
                    }
                } else if workspaces::get(tx, row.id)?.is_some_and(|now| now.status == Status::Paused) {
                    await_agent(tx, row.id, &row.name)?;
                } else {
                    continue;
                }
                moved.push((row.id, own));
            }
            Ok(moved)
        })
        .await?;
    for (id, own) in &moved {
        if *own {
            provisioning::launch(app, *id, Reason::Resumed);
        } else {
            super::tell_older_screens(app, *id);
        }
    }
    Ok(Resumed { status, count: moved.len() })
}
