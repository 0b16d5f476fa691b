//! Launches that take too long (20 §8.4).

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, params};
use serde_json::Value;

use super::fail;
use crate::{Result, Tx, workspaces};

/// A row whose launch takes long.
#[derive(Clone, Debug)]
pub struct Starting {
    /// Its id.
    pub id: WorkspaceId,
    /// What it runs on.
    pub runtime: String,
    /// Since when.
    pub updated_at: Timestamp,
}

/// Every row in `provisioning`.
///
/// # Errors
/// When the table cannot be read.
pub fn starting(conn: &Connection) -> Result<Vec<Starting>> {
    let mut query = conn.prepare_cached(
        "SELECT id, runtime, updated_at FROM workspaces WHERE status = 'provisioning' ORDER BY updated_at",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Starting {
            id: workspaces::parsed(row, "id")?,
            runtime: row.get("runtime")?,
            updated_at: workspaces::parsed(row, "updated_at")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// [`fail`] for the deadline sweep: only if the row was not touched since it was read (20 §8.4).
///
/// # Errors
/// When the rows cannot be written.
pub fn expire(tx: &mut Tx<'_>, row: &Starting, message: &str, payload: Value) -> Result<bool> {
    let untouched: bool = tx
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM workspaces WHERE id = ?1 AND updated_at = ?2)")?
        .query_row(params![row.id.to_string(), row.updated_at.to_string()], |found| found.get(0))?;
    if !untouched {
        return Ok(false);
    }
    fail(tx, row.id, message, payload, row.updated_at)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, Trigger};
    use serde_json::json;

    use super::{expire, starting};
    use crate::lifecycle::{begin, testing::Bed};

    #[tokio::test]
    async fn a_row_touched_meanwhile_does_not_expire() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let seen = bed.store.read(starting).await.unwrap().remove(0);
        assert_eq!(seen.id, id);
        bed.store.write(move |tx| begin(tx, id, Trigger::Restart, json!({}))).await.unwrap();
        assert!(!bed.store.write(move |tx| expire(tx, &seen, "late", json!({}))).await.unwrap());
        let seen = bed.store.read(starting).await.unwrap().remove(0);
        assert!(bed.store.write(move |tx| expire(tx, &seen, "late", json!({}))).await.unwrap());
        assert_eq!(bed.get(id).await.status, Status::Failed);
    }
}
