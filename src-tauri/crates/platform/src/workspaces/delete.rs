//! Deleting a workspace with everything below it, and dissolving a team (20 §2.2, §5.2, S221–S226).

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use molecule_model::{Status, WorkspaceId, event::EventKind};
use molecule_store::{
    lifecycle, secrets,
    workspaces::{self, Workspace},
};
use molecule_vault::Scope;
use serde_json::{Value, json};

use crate::{App, AppError, AppResult, messaging::queue, provisioning};

/// Stopping and cleaning may take this long in all (S223).
const BOUND: Duration = Duration::from_secs(30);

/// How a delete ended.
pub struct Deleted {
    /// How many were below it.
    pub cascade_deleted: usize,
}

/// The direct children that a delete would take along.
///
/// # Errors
/// 500 when they cannot be read; 409 when there are some and nobody confirmed.
pub async fn confirm(app: &App, id: WorkspaceId, confirmed: bool) -> AppResult<()> {
    let children = app
        .store
        .read(move |conn| workspaces::children(conn, Some(id)))
        .await
        .map_err(|error| AppError::internal("failed to check children", &error))?;
    if confirmed || children.is_empty() {
        return Ok(());
    }
    let message =
        format!("this workspace has {} children that are deleted with it; repeat with ?confirm=true", children.len());
    let listed: Vec<Value> = children.iter().map(|child| json!({"id": child.id, "name": child.name})).collect();
    Err(AppError::new(StatusCode::CONFLICT, message.clone())
        .with("status", json!("confirmation_required"))
        .with("message", json!(message))
        .with("children", json!(listed))
        .with("children_count", json!(listed.len())))
}

/// Tombstones first, then stops, cleans and, with `purge`, deletes the rows.
///
/// # Errors
/// 500 with what could not be stopped: the rows are removed already, and a retry is safe.
pub async fn delete(app: &App, id: WorkspaceId, purge: bool) -> AppResult<Deleted> {
    let failed = |error: &dyn std::fmt::Display| AppError::internal("failed to delete workspace", error);
    let marked = app
        .store
        .write(move |tx| {
            let mut all = workspaces::descendants(tx, id)?;
            let cascade = all.len();
            all.push(id);
            let removed = lifecycle::remove(tx, &all)?;
            queue::drop_of_removed(tx)?;
            for gone in removed {
                let payload = if gone == id { json!({"cascade_deleted": cascade}) } else { json!({}) };
                tx.record(EventKind::WorkspaceRemoved, gone, payload)?;
            }
            Ok((all, cascade))
        })
        .await;
    let (all, cascade_deleted) = marked.map_err(|error| failed(&error))?;
    app.auth.forget();
    let stops = join_all(all.iter().map(|id| clean(app, *id, purge)));
    let failures: Vec<WorkspaceId> = match tokio::time::timeout(BOUND, stops).await {
        Ok(outcomes) => all.iter().zip(outcomes).filter(|(_, stopped)| !stopped).map(|(id, _)| *id).collect(),
        Err(_) => all.clone(),
    };
    if !failures.is_empty() {
        return Err(AppError::internal("some agents could not be stopped; try again", &format!("{failures:?}"))
            .with("removed_count", json!(all.len()))
            .with("stop_failures", json!(failures)));
    }
    if purge {
        erase(app, all).await?;
    }
    Ok(Deleted { cascade_deleted })
}

/// Stops one and removes its files. `false`: it could not be stopped, and nothing of it was removed (S224).
async fn clean(app: &App, id: WorkspaceId, with_work: bool) -> bool {
    let Ok(turn) = provisioning::stop(app, id).await else { return false };
    let folder = app.paths.workspace(id);
    let removed = tokio::task::spawn_blocking(move || provisioning::remove(&folder, with_work)).await;
    if !matches!(removed, Ok(Ok(()))) {
        tracing::error!(workspace_id = %id, "files of a deleted workspace could not be removed");
    }
    drop(turn);
    provisioning::forget(app, id);
    app.presence.forget(id);
    true
}

/// Deletes the rows and the values of their secrets.
async fn erase(app: &App, ids: Vec<WorkspaceId>) -> AppResult<()> {
    let failed = |error: &dyn std::fmt::Display| AppError::internal("purge failed", error);
    let purged = app
        .store
        .write(move |tx| {
            let mut values = Vec::new();
            for id in &ids {
                values.extend(secrets::list(tx, Some(*id))?);
            }
            lifecycle::purge(tx, &ids)?;
            Ok(values)
        })
        .await
        .map_err(|error| failed(&error))?;
    for row in purged {
        if let (Some(id), Ok(store)) = (row.workspace, row.store.parse())
            && let Err(error) = app.vault.delete(&Scope::Workspace(id), &row.key, store).await
        {
            tracing::warn!(workspace_id = %id, %error, "a purged workspace's secret stays in its store for now");
        }
    }
    Ok(())
}

/// Removes every direct child, as a confirmed delete of each would. Answers their names.
///
/// # Errors
/// 500 `failed to query children`, or as [`delete`].
pub async fn collapse(app: &App, id: WorkspaceId) -> AppResult<Vec<String>> {
    let children: Vec<Workspace> = app
        .store
        .read(move |conn| workspaces::children(conn, Some(id)))
        .await
        .map_err(|error| AppError::internal("failed to query children", &error))?;
    for child in &children {
        delete(app, child.id, false).await?;
    }
    let names: Vec<String> = children.into_iter().map(|child| child.name).collect();
    let told = names.clone();
    app.store
        .write(move |tx| {
            let known = workspaces::get(tx, id)?.is_some_and(|row| row.status != Status::Removed);
            if known {
                tx.record(EventKind::WorkspaceCollapsed, id, json!({"removed_children": told}))?;
            }
            Ok(())
        })
        .await?;
    Ok(names)
}
