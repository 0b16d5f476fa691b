//! Who counts as alive, and what silence does to it (10 §18).

use molecule_model::{Status, Timestamp, Trigger, WorkspaceId, event::EventKind, runtime};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use crate::{
    Result, Tx,
    workspaces::{self, parsed},
};

/// External agents that count as online and gave no sign of life since `cutoff` (10 §18.4).
///
/// # Errors
/// When the table cannot be read.
pub fn silent_externals(conn: &Connection, cutoff: Timestamp) -> Result<Vec<WorkspaceId>> {
    let mut query = conn.prepare_cached(
        "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND runtime = 'external' AND launched = 0
         AND coalesce(last_heartbeat_at, updated_at) < ?1",
    )?;
    let rows = query.query_map([cutoff.to_string()], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Who started the agent of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// We did.
    Ours,
    /// Somebody else.
    Theirs,
}

/// Workspaces that count as online, of one kind.
///
/// # Errors
/// When the table cannot be read.
pub fn alive(conn: &Connection, whose: Whose) -> Result<Vec<WorkspaceId>> {
    let sql = match whose {
        Whose::Ours => "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND launched = 1",
        Whose::Theirs => "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND launched = 0",
    };
    let mut query = conn.prepare_cached(sql)?;
    let rows = query.query_map([], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// No sign of life: `offline`, or `awaiting_agent` for an external agent, in one conditional write (S109), with its
/// event. A launch that is under way has its own deadline, and one that failed keeps its reason: both are left alone.
///
/// # Errors
/// When the rows cannot be written.
pub fn liveness_lost(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<bool> {
    let runtime: Option<String> = tx
        .prepare_cached("SELECT runtime FROM workspaces WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    let Some(runtime) = runtime else { return Ok(false) };
    let trigger = if runtime == runtime::EXTERNAL { Trigger::ExternalStale } else { Trigger::LivenessLost };
    let (from, _) = trigger.edges();
    let from: Vec<Status> =
        from.iter().copied().filter(|status| !matches!(status, Status::Provisioning | Status::Failed)).collect();
    let moved = workspaces::transition_only_from(tx, id, trigger, &from)?.is_some();
    if moved {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

/// An external agent is silent: `awaiting_agent`, only while it still is (10 §18.4).
///
/// # Errors
/// When the rows cannot be written.
pub fn external_stale(tx: &mut Tx<'_>, id: WorkspaceId, cutoff: Timestamp) -> Result<bool> {
    let silent: bool = tx
        .prepare_cached("SELECT coalesce(last_heartbeat_at, updated_at) < ?2 FROM workspaces WHERE id = ?1")?
        .query_row(params![id.to_string(), cutoff.to_string()], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    let moved = silent
        && workspaces::transition_only_from(tx, id, Trigger::ExternalStale, &[Status::Online, Status::Degraded])?
            .is_some();
    if moved {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, Trigger, WorkspaceId};

    use super::{external_stale, liveness_lost, silent_externals};
    use crate::{
        registry::{Registration, register, testing::registration},
        testing::{new_workspace, open},
        tokens::NewToken,
        workspaces,
    };

    #[tokio::test]
    async fn s109_silence_means_awaiting_for_external_and_offline_for_the_rest() {
        let (store, _dir) = open();
        let (ours, theirs) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, ours, "A", None)?;
                assert!(!liveness_lost(tx, ours)?, "a launch under way has its own deadline");
                workspaces::transition(tx, ours, Trigger::LaunchFailed)?;
                assert!(!liveness_lost(tx, ours)?, "a failed launch keeps its reason");
                register(tx, &registration(ours))?;
                let stranger = Registration {
                    may_create: true,
                    token: NewToken { hash: [8; 32], ..registration(theirs).token },
                    ..registration(theirs)
                };
                register(tx, &stranger)?;
                let later = tx.now().plus_seconds(90);
                assert_eq!(silent_externals(tx, later)?, [theirs]);
                assert!(!external_stale(tx, theirs, tx.now())?, "it beat meanwhile");
                assert!(external_stale(tx, theirs, later)?);
                assert!(liveness_lost(tx, ours)?);
                let status = |id| Ok::<_, crate::Error>(workspaces::get(tx, id)?.unwrap().status);
                assert_eq!((status(ours)?, status(theirs)?), (Status::Offline, Status::AwaitingAgent));
                Ok(())
            })
            .await
            .unwrap();
    }
}
