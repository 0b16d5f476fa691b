//! Questions to the person (30 §6).

use molecule_model::{Timestamp, WorkspaceId, event::EventKind, id};
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use crate::{
    Error, Result, Tx,
    outbox::NewEvent,
    workspaces,
    workspaces::{parsed, parsed_opt},
};

/// How long a question stays open, seconds.
pub const OPEN_FOR: i64 = 600;

/// A question with its answer, if there is one.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// Who asks.
    pub workspace_id: WorkspaceId,
    /// The asker's name.
    pub workspace_name: String,
    /// The task it belongs to.
    pub task_id: Option<String>,
    /// What is asked for.
    pub action: String,
    /// Why.
    pub reason: Option<String>,
    /// What a review shows: a diff, a command …
    pub context: Value,
    /// `pending`, `approved`, `denied`.
    pub status: String,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// When it was asked.
    pub created_at: Timestamp,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct NewApproval {
    /// The task it belongs to.
    pub task_id: String,
    /// What is asked for.
    pub action: String,
    /// Why.
    pub reason: String,
    /// What a review shows.
    pub context: Value,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Approval> {
    let context: String = row.get("context")?;
    Ok(Approval {
        id: row.get("id")?,
        workspace_id: parsed(row, "workspace_id")?,
        workspace_name: row.get("workspace_name")?,
        task_id: row.get("task_id")?,
        action: row.get("action")?,
        reason: row.get("reason")?,
        context: serde_json::from_str(&context).unwrap_or_default(),
        status: row.get("status")?,
        decided_by: row.get("decided_by")?,
        decided_at: parsed_opt(row, "decided_at")?,
        created_at: parsed(row, "created_at")?,
    })
}

/// Asks, and tells the workspace's and its parent's listeners.
///
/// # Errors
/// When the row cannot be written, e.g. an unknown workspace.
pub fn create(tx: &mut Tx<'_>, workspace: WorkspaceId, new: &NewApproval) -> Result<String> {
    let approval = id::fresh();
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO approval_requests (id, workspace_id, task_id, action, reason, context, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![approval, workspace.to_string(), new.task_id, new.action, new.reason, new.context.to_string(), now])?;
    let asked = json!({"approval_id": approval, "action": new.action, "reason": new.reason, "task_id": new.task_id});
    tx.record(EventKind::ApprovalRequested, workspace, asked)?;
    let parent = workspaces::get(tx, workspace)?.and_then(|row| row.parent_id);
    if let Some(parent) = parent {
        let told = json!({"approval_id": approval, "from_workspace_id": workspace, "action": new.action, "reason": new.reason});
        tx.record(EventKind::ApprovalEscalated, parent, told)?;
    }
    Ok(approval)
}

const SELECT: &str =
    "SELECT a.*, w.name AS workspace_name FROM approval_requests a JOIN workspaces w ON w.id = a.workspace_id";

/// The newest of one workspace, any state.
///
/// # Errors
/// When the table cannot be read.
pub fn of(conn: &Connection, workspace: WorkspaceId, limit: usize) -> Result<Vec<Approval>> {
    let mut query =
        conn.prepare_cached(&format!("{SELECT} WHERE a.workspace_id = ?1 ORDER BY a.seq DESC LIMIT {limit}"))?;
    let rows = query.query_map([workspace.to_string()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest that wait for a decision and whose workspace is not removed.
///
/// # Errors
/// When the table cannot be read.
pub fn pending(conn: &Connection, limit: usize) -> Result<Vec<Approval>> {
    let mut query = conn.prepare_cached(&format!(
        "{SELECT} WHERE a.status = 'pending' AND w.status <> 'removed' ORDER BY a.seq DESC LIMIT {limit}"
    ))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Decides once. `false`: it is not there, another workspace's, or already decided.
///
/// # Errors
/// When the row cannot be written.
pub fn decide(tx: &mut Tx<'_>, workspace: WorkspaceId, approval: &str, approved: bool, by: &str) -> Result<bool> {
    let now = tx.now().to_string();
    let decision = if approved { "approved" } else { "denied" };
    let changed = tx
        .prepare_cached(
            "UPDATE approval_requests SET status = ?3, decided_by = ?4, decided_at = ?5
             WHERE id = ?1 AND workspace_id = ?2 AND status = 'pending'",
        )?
        .execute(params![approval, workspace.to_string(), decision, by, now])?;
    if changed == 1 {
        let kind = if approved { EventKind::ApprovalApproved } else { EventKind::ApprovalDenied };
        tx.record(kind, workspace, json!({"approval_id": approval, "decision": decision, "decided_by": by}))?;
    }
    Ok(changed == 1)
}

/// Who is asked too late: denied by time. Answers `(workspace, approval)` of each.
///
/// # Errors
/// When the rows cannot be written.
pub fn expire(tx: &mut Tx<'_>) -> Result<Vec<(WorkspaceId, String)>> {
    let before = tx.now().plus_seconds(-OPEN_FOR).to_string();
    let now = tx.now().to_string();
    let late: Vec<(String, String)> = tx
        .prepare_cached(
            "UPDATE approval_requests SET status = 'denied', decided_by = 'auto-expired', decided_at = ?2
             WHERE status = 'pending' AND created_at < ?1 RETURNING workspace_id, id",
        )?
        .query_map([&before, &now], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut expired = Vec::with_capacity(late.len());
    for (workspace, approval) in late {
        let workspace: WorkspaceId = workspace.parse().map_err(|_| Error::Stored { what: "workspace id" })?;
        let payload = json!({"approval_id": approval, "decision": "denied", "decided_by": "auto-expired"});
        tx.emit(NewEvent::recorded(EventKind::ApprovalDenied, Some(workspace), payload.clone()))?;
        tx.emit(NewEvent::recorded(EventKind::ApprovalExpired, Some(workspace), payload))?;
        expired.push((workspace, approval));
    }
    Ok(expired)
}
