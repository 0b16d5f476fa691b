//! After the start: what a crashed server left is cleaned up, and what should run is brought back.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use molecule_model::{Status, Trigger, WorkspaceId, event::EventKind, runtime};
use molecule_store::{
    lifecycle,
    workspaces::{self, Workspace},
};

use serde_json::json;

use super::{Order, Reason, is_self_registered, provisioning_payload, submit};
use crate::App;

/// Ends leftovers, then starts every known workspace that should run, parents first.
pub(super) async fn recover(app: &App, known: &HashSet<WorkspaceId>) {
    let began = tokio::time::Instant::now();
    for launcher in app.provisioning.launchers() {
        let swept = launcher.sweep().await;
        let (ended, gone, spared) = (swept.killed.len(), swept.gone.len(), swept.spared.len());
        tracing::info!(launcher = launcher.name(), ended, gone, spared, "looked for agents of an earlier run");
    }
    let names: Vec<&'static str> = app.provisioning.launchers().map(|launcher| launcher.name()).collect();
    let known = known.clone();
    let marked = app
        .store
        .write(move |tx| {
            let rows = workspaces::list(tx)?;
            let mut marked = Vec::new();
            for row in parents_first(rows).into_iter().filter(|row| known.contains(&row.id)) {
                if row.status == Status::Hibernating {
                    // The server ended while it was being put to sleep: its agent is gone, so it sleeps.
                    workspaces::transition(tx, row.id, Trigger::Hibernated)?;
                    lifecycle::forget_url(tx, row.id)?;
                    tx.record(EventKind::WorkspaceHibernated, row.id, json!({"name": row.name, "tier": row.tier}))?;
                }
                if !should_run(&row, &names) || workspaces::paused_ancestor(tx, row.id)?.is_some() {
                    continue;
                }
                lifecycle::begin(tx, row.id, Trigger::Restart, provisioning_payload(&row))?;
                marked.push(row.id);
            }
            Ok(marked)
        })
        .await;
    match marked {
        Ok(ids) => {
            let count = ids.len();
            for id in ids {
                submit(app, id, Order::new(Reason::Booted));
            }
            let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(count, elapsed_ms, "agents are being brought back");
        }
        Err(error) => tracing::error!(%error, "agents could not be brought back"),
    }
    forget_orphans(app).await;
}

/// A row whose agent is ours to run, or that was about to be started when the server ended.
fn should_run(row: &Workspace, launchers: &[&str]) -> bool {
    let ours = launchers.contains(&runtime::safe(&row.runtime)) && !is_self_registered(row);
    match row.status {
        // Also where no launcher is left: the launch will say so on the row.
        Status::Provisioning => row.runtime != runtime::EXTERNAL,
        Status::Online | Status::Degraded | Status::Offline => ours,
        _ => false,
    }
}

fn parents_first(rows: Vec<Workspace>) -> Vec<Workspace> {
    let parents: HashMap<WorkspaceId, Option<WorkspaceId>> = rows.iter().map(|row| (row.id, row.parent_id)).collect();
    let depth = |id: WorkspaceId| {
        let mut depth = 0;
        let mut at = id;
        while let Some(Some(up)) = parents.get(&at) {
            depth += 1;
            at = *up;
            if depth > parents.len() {
                break;
            }
        }
        depth
    };
    let mut rows = rows;
    rows.sort_by_cached_key(|row| depth(row.id));
    rows
}

/// The folders of workspaces that are there before the server listens: a new workspace's cannot be among them.
pub(super) fn folders(workspaces: &Path) -> Vec<WorkspaceId> {
    let Ok(entries) = std::fs::read_dir(workspaces) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| WorkspaceId::parse_strict(&name)).collect()
}

/// Removes folders that no row speaks of: a create or an import that was cut off.
async fn forget_orphans(app: &App) {
    let ids = app.provisioning.take_folders();
    let unknown = app.store.read(move |conn| {
        let mut unknown = Vec::new();
        for id in ids {
            if workspaces::get(conn, id)?.is_none() {
                unknown.push(id);
            }
        }
        Ok(unknown)
    });
    let Ok(unknown) = unknown.await else { return };
    for id in unknown {
        tracing::warn!(workspace_id = %id, "a folder belongs to no workspace; what the platform put there is removed");
        let folder = app.paths.workspace(id);
        drop(tokio::task::spawn_blocking(move || super::files::remove(&folder, false)).await);
    }
}
