//! Messages that an agent works on now. The row goes in the same transaction that writes its activity row, so a crash
//! in between leaves one of the two. What is answered at once never has one.

use molecule_model::{Status, Timestamp, WorkspaceId, wire::DeliveryMode};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::value::RawValue;

use crate::{Result, Tx, workspaces::parsed};

/// Whom a message is for: what the way there needs to know, and no more. Hot path.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Where it answers, as text; empty when nobody does.
    pub url: String,
    /// How messages reach it.
    pub delivery_mode: DeliveryMode,
    /// US cents a month.
    pub budget_limit: Option<i64>,
    /// US cents this month.
    pub monthly_spend: i64,
    /// Whether we started an instance of it.
    pub launched: bool,
    /// Its card, only where it may declare a protocol version.
    pub card: Option<String>,
}

/// Looks an addressee up; a removed row is none (O-26).
///
/// # Errors
/// When the table cannot be read.
pub fn addressee(conn: &Connection, id: WorkspaceId) -> Result<Option<Addressee>> {
    let mut query = conn.prepare_cached(
        "SELECT name, status, coalesce(url, '') AS url, delivery_mode, budget_limit, monthly_spend, launched,
                CASE WHEN instr(agent_card, 'protocolVersion') > 0 THEN agent_card END AS card
         FROM workspaces WHERE id = ?1 AND status <> 'removed'",
    )?;
    let found = query.query_row([id.to_string()], |row| {
        let mode: String = row.get("delivery_mode")?;
        Ok(Addressee {
            name: row.get("name")?,
            status: parsed(row, "status")?,
            url: row.get("url")?,
            // Unknown words mean push, never a silent queue (S143).
            delivery_mode: DeliveryMode::parse(&mode).unwrap_or(DeliveryMode::Push),
            budget_limit: row.get("budget_limit")?,
            monthly_spend: row.get("monthly_spend")?,
            launched: row.get("launched")?,
            card: row.get("card")?,
        })
    });
    Ok(found.optional()?)
}

/// Notes that a workspace sent a message that was answered (10 §9.10).
///
/// # Errors
/// When the row cannot be written.
pub fn note_outbound(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached("UPDATE workspaces SET last_outbound_at = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), now])?;
    Ok(())
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct NewInflight<'a> {
    /// The row's id.
    pub id: &'a str,
    /// Who is asked.
    pub workspace: WorkspaceId,
    /// Who asks; nobody is the person.
    pub source_id: Option<String>,
    /// E.g. `message/send`.
    pub method: &'a str,
    /// `params.message.messageId`.
    pub message_id: Option<&'a str>,
    /// The envelope as it is forwarded, JSON.
    pub request_body: &'a str,
}

/// Notes that a message leaves.
///
/// # Errors
/// When the row cannot be written, e.g. an unknown workspace.
pub fn insert(tx: &mut Tx<'_>, new: &NewInflight<'_>) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO inflight (id, workspace_id, source_id, method, message_id, request_body, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        new.id,
        new.workspace.to_string(),
        new.source_id,
        new.method,
        new.message_id,
        new.request_body,
        now
    ])?;
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
    let mut query =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM inflight WHERE workspace_id = ?1 ORDER BY rowid"))?;
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
