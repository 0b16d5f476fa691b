//! Messages that are not delivered any more: expired, dropped, or of a workspace that is gone.

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Row, params};

use crate::{
    Result, Tx,
    workspaces::{parsed, parsed_opt},
};

/// What an expired row says, once its sender was told. It stays `queued` (10 §10.2).
const EXPIRED: &str = "expired before the agent was free";
/// What a row of a deleted workspace says.
const GONE: &str = "the workspace was deleted";

/// A message that came to no answer; its sender is to be told.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The row.
    pub id: String,
    /// Whom it was for.
    pub workspace: WorkspaceId,
    /// Who sent it; nobody is the person.
    pub caller: Option<WorkspaceId>,
    /// The envelope, JSON.
    pub body: String,
    /// Its method.
    pub method: Option<String>,
    /// Why.
    pub why: String,
}

impl Ended {
    /// Whether its sender read of it before, when it expired.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.why == EXPIRED
    }
}

pub(super) fn ended(row: &Row<'_>) -> rusqlite::Result<Ended> {
    let why: Option<String> = row.get("last_error")?;
    Ok(Ended {
        id: row.get("id")?,
        workspace: parsed(row, "workspace_id")?,
        caller: parsed_opt(row, "caller_id")?,
        body: row.get("body")?,
        method: row.get("method")?,
        why: why.unwrap_or_default(),
    })
}

/// Those that expired since the last time: each is told once.
///
/// # Errors
/// When the rows cannot be written.
pub fn expired(tx: &mut Tx<'_>) -> Result<Vec<Ended>> {
    let mut query = tx.prepare_cached(
        "UPDATE a2a_queue SET last_error = ?2
         WHERE status = 'queued' AND expires_at IS NOT NULL AND expires_at <= ?1 AND last_error IS NOT ?2
         RETURNING id, workspace_id, caller_id, body, method, last_error",
    )?;
    let rows = query.query_map(params![tx.now().to_string(), EXPIRED], ended)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Drops what waits since before `cutoff`, for one workspace or all (10 §10.5). A `last_error` gets `note` behind it;
/// where there is none it stays none. What had expired says so.
///
/// # Errors
/// When the rows cannot be written.
pub fn drop_stale(
    tx: &mut Tx<'_>,
    cutoff: Timestamp,
    workspace: Option<WorkspaceId>,
    note: &str,
) -> Result<Vec<Ended>> {
    let mut query = tx.prepare_cached(
        "UPDATE a2a_queue SET status = 'dropped', last_error = last_error || '; ' || ?3
         WHERE status = 'queued' AND enqueued_at < ?1 AND (?2 IS NULL OR workspace_id = ?2)
         RETURNING id, workspace_id, caller_id, body, method, iif(last_error = ?4 || '; ' || ?3, ?4, ?3) AS last_error",
    )?;
    let workspace = workspace.map(|id| id.to_string());
    let rows = query.query_map(params![cutoff.to_string(), workspace, note, EXPIRED], ended)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Drops what waits for workspaces that were deleted. What had expired goes on saying so.
///
/// # Errors
/// When the rows cannot be written.
pub fn drop_of_removed(tx: &mut Tx<'_>) -> Result<Vec<Ended>> {
    let mut query = tx.prepare_cached(
        "UPDATE a2a_queue SET status = 'dropped', last_error = iif(last_error = ?2, ?2, ?1)
         WHERE status = 'queued' AND workspace_id IN (SELECT id FROM workspaces WHERE status = 'removed')
         RETURNING id, workspace_id, caller_id, body, method, last_error",
    )?;
    let rows = query.query_map([GONE, EXPIRED], ended)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes rows that came to their end before `cutoff`. Answers how many.
///
/// # Errors
/// When the rows cannot be written.
pub fn prune(tx: &mut Tx<'_>, cutoff: Timestamp) -> Result<usize> {
    Ok(tx
        .prepare_cached(
            "DELETE FROM a2a_queue
             WHERE (status IN ('completed', 'failed', 'dropped') AND coalesce(completed_at, enqueued_at) < ?1)
                OR (status = 'queued' AND expires_at < ?1)",
        )?
        .execute([cutoff.to_string()])?)
}
