//! At boot: what a crashed server left running is ended, by its run records.

use std::path::Path;
use std::sync::Arc;

use molecule_model::WorkspaceId;
use tokio::fs;
use tokio::task::JoinSet;

use super::process::{self, Leftover, Marks};
use super::run_record::RunRecord;
use super::{Inner, private_file};
use crate::SweepReport;

/// Name of the run record in a workspace's folder of the data directory.
const RECORD: &str = "run.json";

/// All workspaces at once, each as long as its agent takes to end.
pub(super) async fn all(inner: &Arc<Inner>) -> SweepReport {
    let mut sweeps = JoinSet::new();
    for id in recorded(&inner.options.workspaces_root).await {
        let inner = Arc::clone(inner);
        sweeps.spawn(async move {
            let slot = inner.slot(id);
            // Whoever has the turn, or has an agent running, wrote the record: not a leftover.
            let _turn = slot.turn.try_lock().ok()?;
            if slot.pid().is_some() {
                return None;
            }
            let path = inner.options.workspaces_root.join(id.to_string()).join(RECORD);
            Some((id, one(&inner, id, &path).await))
        });
    }
    let mut report = SweepReport::default();
    while let Some(swept) = sweeps.join_next().await {
        match swept {
            Ok(Some((id, Leftover::Ended))) => report.killed.push(id),
            Ok(Some((id, Leftover::Gone))) => report.gone.push(id),
            Ok(Some((id, Leftover::Foreign | Leftover::Survived))) => report.spared.push(id),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "sweep of a workspace failed"),
        }
    }
    report
}

/// Ends what the record at `path` says, if it is ours, and removes the record. The caller holds the
/// turn of the workspace, which has no running agent.
pub(super) async fn one(inner: &Inner, id: WorkspaceId, path: &Path) -> Leftover {
    if !fs::try_exists(path).await.unwrap_or(false) {
        return Leftover::Gone;
    }
    let options = &inner.options;
    let leftover = match RunRecord::read(path) {
        Some(record) if record.installation == options.installation => {
            let marks = Marks { installation: &options.installation, program: &options.program };
            process::end_leftover(record.pid, record.start_ticks, marks, options.stop_grace).await
        }
        // Unreadable, or copied here from another machine.
        _ => Leftover::Foreign,
    };
    if leftover != Leftover::Gone {
        tracing::info!(workspace_id = %id, ?leftover, "leftover of an earlier server");
    }
    if let Err(error) = private_file::remove(path) {
        tracing::warn!(workspace_id = %id, %error, "stale run record not removed");
    }
    leftover
}

/// Workspaces that have a record.
async fn recorded(workspaces_root: &Path) -> Vec<WorkspaceId> {
    let mut ids = Vec::new();
    let Ok(mut entries) = fs::read_dir(workspaces_root).await else {
        return ids;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let Some(id) = entry.file_name().to_str().and_then(WorkspaceId::parse_strict) else {
            continue;
        };
        if fs::try_exists(entry.path().join(RECORD)).await.unwrap_or(false) {
            ids.push(id);
        }
    }
    ids
}
