//! Making an organisation: all rows in one transaction, then the launches (20 §12.3, §12.4, R-44).

use std::sync::Arc;

use molecule_model::{
    Trigger, WorkspaceId,
    event::EventKind,
    id, runtime,
    wire::{DeliveryMode, MemoryScope},
};
use molecule_store::{
    Tx, memories,
    workspaces::{self as rows, NewWorkspace},
};
use molecule_vault::Secret;
use serde_json::{Value, json};

use super::{plan::Planned, schema::Org};
use crate::{App, AppError, AppResult, provisioning, secrets};

/// Makes everything that was planned and starts it. Answers one result a workspace, in pre-order.
///
/// # Errors
/// When the rows could not be written; then nothing was made.
pub async fn carry_out(app: &App, org: &Org, planned: Vec<Planned>) -> AppResult<Vec<Value>> {
    let planned = Arc::new(planned);
    let (folders, paths) = (Arc::clone(&planned), app.paths.clone());
    let written = tokio::task::spawn_blocking(move || {
        folders.iter().try_for_each(|one| super::write_files(&paths.configs(one.id), &one.files))
    });
    let undo = || {
        for one in planned.iter() {
            drop(std::fs::remove_dir_all(app.paths.workspace(one.id)));
        }
    };
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            undo();
            return Err(AppError::internal("failed to write the workspaces' files", &error));
        }
        Err(error) => {
            undo();
            return Err(AppError::internal("failed to write the workspaces' files", &error));
        }
    }
    let globals: Vec<String> =
        org.global_memories.iter().map(|seed| seed.content.clone()).filter(|text| !text.is_empty()).collect();
    let all = Arc::clone(&planned);
    let made = app.store.write(move |tx| insert(tx, &all, &globals)).await;
    if let Err(error) = made {
        undo();
        return Err(AppError::internal("failed to create the workspaces", &error));
    }
    let mut results = Vec::with_capacity(planned.len());
    for one in planned.iter() {
        for (key, value) in &one.secrets {
            if let Err(error) = secrets::set(app, Some(one.id), key.clone(), Secret::from(value.clone())).await {
                tracing::error!(workspace_id = %one.id, status = %error.status(), "a template's variable could not be stored");
            }
        }
        let mut result = json!({"id": one.id, "name": one.name, "tier": one.tier});
        if !one.skipped.is_empty() {
            result["skipped"] = json!(one.skipped);
        }
        results.push(result);
    }
    for one in planned.iter().filter(|one| !one.external) {
        provisioning::launch(app, one.id, provisioning::Reason::Created);
    }
    Ok(results)
}

fn insert(tx: &mut Tx<'_>, planned: &[Planned], globals: &[String]) -> molecule_store::Result<()> {
    for one in planned {
        rows::insert(
            tx,
            &NewWorkspace {
                id: one.id,
                name: one.name.clone(),
                role: one.role.clone(),
                tier: one.tier,
                runtime: one.runtime.clone(),
                delivery_mode: if one.external && one.url.is_empty() { DeliveryMode::Poll } else { DeliveryMode::Push },
                parent_id: one.parent,
                template: one.template.clone(),
                workspace_dir: one.dir.clone(),
                workspace_access: one.access,
                max_concurrent_tasks: one.tasks,
                budget_limit: None,
                x: one.at.x,
                y: one.at.y,
            },
        )?;
        let mut payload =
            json!({"name": one.name, "tier": one.tier, "runtime": one.runtime, "x": one.inside.x, "y": one.inside.y});
        if let Some(parent) = one.parent {
            payload["parent_id"] = json!(parent);
        }
        if let Some(role) = &one.role {
            payload["role"] = json!(role);
        }
        tx.record(EventKind::WorkspaceProvisioning, one.id, payload)?;
        for (scope, content) in &one.memories {
            remember(tx, one.id, *scope, content)?;
        }
        if one.runtime == runtime::EXTERNAL {
            external(tx, one)?;
        }
    }
    if let Some(first) = planned.first() {
        for content in globals {
            remember(tx, first.id, MemoryScope::Global, content)?;
        }
    }
    Ok(())
}

fn remember(tx: &mut Tx<'_>, owner: WorkspaceId, scope: MemoryScope, content: &str) -> molecule_store::Result<()> {
    let content = molecule_model::redact::redact(content).replace("[MEMORY ", "[_MEMORY ");
    memories::insert(tx, &id::fresh(), owner, &content, scope, &format!("workspace:{owner}"))
}

/// An agent that runs elsewhere: online where its URL is known, else waiting for it.
fn external(tx: &mut Tx<'_>, one: &Planned) -> molecule_store::Result<()> {
    let (trigger, kind) = if one.url.is_empty() {
        (Trigger::AwaitAgent, EventKind::WorkspaceAwaitingAgent)
    } else {
        molecule_store::lifecycle::given_url(tx, one.id, &one.url)?;
        (Trigger::ExternalWithUrl, EventKind::WorkspaceOnline)
    };
    rows::transition(tx, one.id, trigger)?;
    tx.record(kind, one.id, json!({"name": one.name, "external": true}))?;
    Ok(())
}
