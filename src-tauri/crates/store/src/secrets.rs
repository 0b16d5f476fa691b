//! The names of secrets that a person stored; their values lie in the vault.

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Result, Tx, workspaces::parsed};

/// A row: everything but the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// `None`: for every workspace.
    pub workspace: Option<WorkspaceId>,
    /// Its name.
    pub key: String,
    /// `keychain` or `sealed`, where it was put.
    pub store: String,
    /// Length of the value in bytes; 0 does not count as configured (S062).
    pub length: i64,
    /// Keyed check of the value.
    pub check: String,
    /// Counts the writes.
    pub version: i64,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// When it was last stored.
    pub updated_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<SecretRow> {
    let workspace: String = row.get("workspace_id")?;
    Ok(SecretRow {
        workspace: WorkspaceId::parse_strict(&workspace),
        key: row.get("key")?,
        store: row.get("store")?,
        length: row.get("length")?,
        check: row.get("check_value")?,
        version: row.get("version")?,
        created_at: parsed(row, "created_at")?,
        updated_at: parsed(row, "updated_at")?,
    })
}

fn scope(workspace: Option<WorkspaceId>) -> (&'static str, String) {
    workspace.map_or(("global", String::new()), |id| ("workspace", id.to_string()))
}

/// The secrets of one scope, by name.
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection, workspace: Option<WorkspaceId>) -> Result<Vec<SecretRow>> {
    let (scope, id) = scope(workspace);
    let mut query = conn.prepare_cached("SELECT * FROM secrets WHERE scope = ?1 AND workspace_id = ?2 ORDER BY key")?;
    let rows = query.query_map([scope, &id], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every secret of every scope whose workspace is not removed.
///
/// # Errors
/// When the table cannot be read.
pub fn all(conn: &Connection) -> Result<Vec<SecretRow>> {
    let mut query = conn.prepare_cached(
        "SELECT s.* FROM secrets s LEFT JOIN workspaces w ON w.id = s.workspace_id
         WHERE s.scope = 'global' OR w.status <> 'removed' ORDER BY s.scope, s.workspace_id, s.key",
    )?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One secret.
///
/// # Errors
/// When the table cannot be read.
pub fn get(conn: &Connection, workspace: Option<WorkspaceId>, key: &str) -> Result<Option<SecretRow>> {
    let (scope, id) = scope(workspace);
    let mut query = conn.prepare_cached("SELECT * FROM secrets WHERE scope = ?1 AND workspace_id = ?2 AND key = ?3")?;
    Ok(query.query_row([scope, &id, key], from_row).optional()?)
}

/// Writes the row of a value that the vault has taken; raises its version.
///
/// # Errors
/// When the row cannot be written.
pub fn put(
    tx: &mut Tx<'_>,
    workspace: Option<WorkspaceId>,
    key: &str,
    store: &str,
    length: i64,
    check: &str,
) -> Result<()> {
    let (scope, id) = scope(workspace);
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO secrets (scope, workspace_id, key, store, length, check_value, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
         ON CONFLICT (scope, workspace_id, key) DO UPDATE SET store = excluded.store, length = excluded.length,
             check_value = excluded.check_value, version = version + 1, updated_at = excluded.updated_at",
    )?
    .execute(params![scope, id, key, store, length, check, now])?;
    Ok(())
}

/// Deletes the row. `false`: there was none.
///
/// # Errors
/// When the row cannot be written.
pub fn delete(tx: &mut Tx<'_>, workspace: Option<WorkspaceId>, key: &str) -> Result<bool> {
    let (scope, id) = scope(workspace);
    let changed = tx
        .prepare_cached("DELETE FROM secrets WHERE scope = ?1 AND workspace_id = ?2 AND key = ?3")?
        .execute([scope, &id, key])?;
    Ok(changed == 1)
}

/// The names of global secrets that hold something, at most 10 000 (20 §12.3).
///
/// # Errors
/// When the table cannot be read.
pub fn configured_global(conn: &Connection) -> Result<Vec<String>> {
    let mut query =
        conn.prepare_cached("SELECT key FROM secrets WHERE scope = 'global' AND length > 0 ORDER BY key LIMIT 10000")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The workspaces that a global secret reaches: running ones, not external, without one of their own of that
/// name (20 §9.3).
///
/// # Errors
/// When the tables cannot be read.
pub fn reached_by_global(conn: &Connection, key: &str) -> Result<Vec<(WorkspaceId, String)>> {
    let mut query = conn.prepare_cached(
        "SELECT id, name FROM workspaces WHERE status NOT IN ('removed', 'paused') AND runtime <> 'external'
           AND NOT EXISTS (SELECT 1 FROM secrets s WHERE s.scope = 'workspace' AND s.workspace_id = workspaces.id AND s.key = ?1)
         ORDER BY name",
    )?;
    let rows = query.query_map([key], |row| Ok((parsed(row, "id")?, row.get("name")?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
