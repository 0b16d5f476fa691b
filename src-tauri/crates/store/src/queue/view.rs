//! What can be seen of the queue.

use std::collections::HashMap;

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;

use crate::{
    Result,
    workspaces::{parsed, parsed_opt},
};

/// How many wait for this agent, expired ones included (10 §10.1). Hot path: kept by triggers, not counted.
///
/// # Errors
/// When the table cannot be read.
pub fn depth(conn: &Connection, workspace: WorkspaceId) -> Result<i64> {
    let mut query = conn.prepare_cached("SELECT queued FROM a2a_queue_depths WHERE workspace_id = ?1")?;
    Ok(query.query_row([workspace.to_string()], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// How many wait for this agent that may still be delivered.
///
/// # Errors
/// When the table cannot be read.
pub fn waiting(conn: &Connection, workspace: WorkspaceId, now: Timestamp) -> Result<i64> {
    // Few of many have an expiry: these alone are counted.
    let mut query = conn.prepare_cached(
        "SELECT count(*) FROM a2a_queue
         WHERE +workspace_id = ?1 AND status = 'queued' AND expires_at IS NOT NULL AND expires_at <= ?2",
    )?;
    let expired: i64 = query.query_row(params![workspace.to_string(), now.to_string()], |row| row.get(0))?;
    Ok(depth(conn, workspace)? - expired)
}

/// How many wait that may still be delivered, for each agent that has any.
///
/// # Errors
/// When the table cannot be read.
pub fn depths(conn: &Connection, now: Timestamp) -> Result<HashMap<WorkspaceId, i64>> {
    let mut query = conn.prepare_cached(
        "SELECT workspace_id, count(*) AS depth FROM a2a_queue
         WHERE status = 'queued' AND (expires_at IS NULL OR expires_at > ?1) GROUP BY workspace_id",
    )?;
    let rows = query.query_map([now.to_string()], |row| Ok((parsed(row, "workspace_id")?, row.get("depth")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One row as its sender and its receiver see it (10 §10.4).
#[derive(Debug)]
pub struct Item {
    /// Whom it is for.
    pub workspace_id: WorkspaceId,
    /// Who sent it.
    pub caller_id: Option<WorkspaceId>,
    /// Its method.
    pub method: Option<String>,
    /// 50.
    pub priority: i64,
    /// `queued`, `dispatched`, `completed`, `failed` or `dropped`.
    pub status: String,
    /// So far.
    pub attempts: i64,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When it was accepted.
    pub enqueued_at: Timestamp,
    /// When the present attempt began.
    pub dispatched_at: Option<Timestamp>,
    /// When it was delivered.
    pub completed_at: Option<Timestamp>,
    /// When it is given up.
    pub expires_at: Option<Timestamp>,
    /// The stitched answer of a delegation that came back.
    pub response_body: Option<Box<RawValue>>,
}

/// Looks a row up.
///
/// # Errors
/// When the tables cannot be read.
pub fn item(conn: &Connection, id: &str) -> Result<Option<Item>> {
    let mut query = conn.prepare_cached(
        "SELECT q.workspace_id, q.caller_id, q.method, q.priority, q.status, q.attempts, q.last_error, q.enqueued_at,
                q.dispatched_at, q.completed_at, q.expires_at,
                CASE WHEN q.status = 'completed' THEN (
                    SELECT a.response_body FROM activity_logs a
                    WHERE a.workspace_id = q.caller_id AND a.method = 'delegate_result' AND a.status = 'completed'
                      AND a.response_body ->> 'delegation_id' = q.body ->> '$.params.message.metadata.delegation_id'
                    ORDER BY a.seq DESC LIMIT 1) END AS response_body
         FROM a2a_queue q WHERE q.id = ?1",
    )?;
    let found = query.query_row([id], |row| {
        let body: Option<String> = row.get("response_body")?;
        Ok(Item {
            workspace_id: parsed(row, "workspace_id")?,
            caller_id: parsed_opt(row, "caller_id")?,
            method: row.get("method")?,
            priority: row.get("priority")?,
            status: row.get("status")?,
            attempts: row.get("attempts")?,
            last_error: row.get("last_error")?,
            enqueued_at: parsed(row, "enqueued_at")?,
            dispatched_at: parsed_opt(row, "dispatched_at")?,
            completed_at: parsed_opt(row, "completed_at")?,
            expires_at: parsed_opt(row, "expires_at")?,
            response_body: body.and_then(|text| RawValue::from_string(text).ok()),
        })
    });
    Ok(found.optional()?)
}

/// A message that waits, or is being delivered out of the queue.
#[derive(Debug)]
pub struct Pending {
    /// The row.
    pub id: String,
    /// It waits; else it is being delivered.
    pub waits: bool,
    /// Who sent it.
    pub caller_id: Option<WorkspaceId>,
    /// Its method.
    pub method: Option<String>,
    /// `params.message.messageId`.
    pub message_id: Option<String>,
    /// The envelope.
    pub request_body: Box<RawValue>,
    /// When it was accepted.
    pub enqueued_at: Timestamp,
}

/// What waits for one agent or is being delivered to it, in the order of acceptance; no expired ones.
///
/// # Errors
/// When the table cannot be read.
pub fn pending(conn: &Connection, workspace: WorkspaceId, now: Timestamp, most: usize) -> Result<Vec<Pending>> {
    let mut query = conn.prepare_cached(
        "SELECT id, status, caller_id, method, idempotency_key, body, enqueued_at FROM a2a_queue
         WHERE workspace_id = ?1 AND status IN ('queued', 'dispatched')
           AND (status = 'dispatched' OR expires_at IS NULL OR expires_at > ?2)
         ORDER BY seq LIMIT ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = query.query_map(params![workspace.to_string(), now.to_string(), most], |row| {
        let (status, body): (String, String) = (row.get("status")?, row.get("body")?);
        Ok(Pending {
            id: row.get("id")?,
            waits: status == "queued",
            caller_id: parsed_opt(row, "caller_id")?,
            method: row.get("method")?,
            message_id: row.get("idempotency_key")?,
            request_body: RawValue::from_string(body).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            enqueued_at: parsed(row, "enqueued_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
