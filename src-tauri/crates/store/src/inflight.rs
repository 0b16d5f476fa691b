//! Messages that an agent works on now. The row is on disk before the message leaves and goes in the same
//! transaction that writes its activity row, so a crash in between leaves one of the two.

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, Row, params};
use serde_json::value::RawValue;

use crate::{Result, Tx, workspaces::parsed};

/// A message on its way.
#[derive(Clone, Debug)]
pub struct NewInflight {
    /// The row's id.
    pub id: String,
    /// Who is asked.
    pub workspace: WorkspaceId,
    /// Who asks; nobody is the person.
    pub source_id: Option<String>,
    /// E.g. `message/send`.
    pub method: String,
    /// `params.message.messageId`.
    pub message_id: Option<String>,
    /// The envelope as it is forwarded, JSON.
    pub request_body: String,
}

/// Notes that a message leaves.
///
/// # Errors
/// When the row cannot be written, e.g. an unknown workspace.
pub fn insert(tx: &mut Tx<'_>, new: &NewInflight) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO inflight (id, workspace_id, source_id, method, message_id, request_body, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![new.id, new.workspace.to_string(), new.source_id, new.method, new.message_id, new.request_body, now])?;
    Ok(())
}

/// Notes that a message was answered or given up.
///
/// # Errors
/// When the row cannot be written.
pub fn delete(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM inflight WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// A message on its way, as stored.
#[derive(Debug)]
pub struct Inflight {
    /// The row's id.
    pub id: String,
    /// Who is asked.
    pub workspace: WorkspaceId,
    /// Who asks.
    pub source_id: Option<String>,
    /// E.g. `message/send`.
    pub method: Option<String>,
    /// `params.message.messageId`.
    pub message_id: Option<String>,
    /// The envelope as it was forwarded.
    pub request_body: Box<RawValue>,
    /// When it left.
    pub started_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Inflight> {
    let body: String = row.get("request_body")?;
    Ok(Inflight {
        id: row.get("id")?,
        workspace: parsed(row, "workspace_id")?,
        source_id: row.get("source_id")?,
        method: row.get("method")?,
        message_id: row.get("message_id")?,
        request_body: RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned()),
        started_at: parsed(row, "started_at")?,
    })
}

const COLUMNS: &str = "id, workspace_id, source_id, method, message_id, request_body, started_at";

/// What one workspace works on, oldest first.
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection, workspace: WorkspaceId) -> Result<Vec<Inflight>> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM inflight WHERE workspace_id = ?1 ORDER BY rowid"))?;
    let rows = query.query_map([workspace.to_string()], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everything on its way, oldest first.
///
/// # Errors
/// When the table cannot be read.
pub fn all(conn: &Connection) -> Result<Vec<Inflight>> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM inflight ORDER BY rowid"))?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
