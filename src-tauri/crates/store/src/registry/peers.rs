//! Who stands beside whom (10 §7.3).

use molecule_model::{Status, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;

use crate::{
    Result,
    workspaces::{parsed, parsed_opt},
};

/// A workspace as its peers see it (10 §7.3).
#[derive(Debug)]
pub struct Peer {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// 1 to 4.
    pub tier: i64,
    /// Its status.
    pub status: Status,
    /// Where it answers, or `""`.
    pub url: String,
    /// Its parent.
    pub parent_id: Option<WorkspaceId>,
    /// What it says it runs.
    pub active_tasks: i64,
    /// Its card; a stored JSON `null` is none.
    pub agent_card: Option<Box<RawValue>>,
}

/// Siblings, then children, then the parent; `None` for an unknown id.
///
/// # Errors
/// When the table cannot be read.
pub fn peers(conn: &Connection, id: WorkspaceId) -> Result<Option<Vec<Peer>>> {
    let parent: Option<Option<String>> = conn
        .prepare_cached("SELECT parent_id FROM workspaces WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    let Some(parent) = parent else { return Ok(None) };
    let mut query = conn.prepare_cached(
        "SELECT id, name, role, tier, status, coalesce(url, '') AS url, parent_id, active_tasks, agent_card,
                CASE WHEN parent_id IS ?2 THEN 0 WHEN parent_id = ?1 THEN 1 ELSE 2 END AS relation
         FROM workspaces
         WHERE status <> 'removed' AND id <> ?1 AND (parent_id IS ?2 OR parent_id = ?1 OR id = ?2)
         ORDER BY relation, created_at, rowid",
    )?;
    let rows = query.query_map(params![id.to_string(), parent], |row| {
        let card: Option<String> = row.get("agent_card")?;
        Ok(Peer {
            id: parsed(row, "id")?,
            name: row.get("name")?,
            role: row.get("role")?,
            tier: row.get("tier")?,
            status: parsed(row, "status")?,
            url: row.get("url")?,
            parent_id: parsed_opt(row, "parent_id")?,
            active_tasks: row.get("active_tasks")?,
            agent_card: card.filter(|text| text != "null").and_then(|text| RawValue::from_string(text).ok()),
        })
    })?;
    Ok(Some(rows.collect::<rusqlite::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use molecule_model::{Trigger, WorkspaceId};

    use super::peers;
    use crate::{
        Tx,
        testing::{new_workspace, open},
        workspaces,
    };

    #[tokio::test]
    async fn s097_siblings_children_parent_in_this_order() {
        let (store, _dir) = open();
        let ids: Vec<WorkspaceId> = (0..7).map(|_| WorkspaceId::random()).collect();
        store
            .write(move |tx| {
                let [root, other, me, sibling, child, grandchild, nephew] = ids[..] else { unreachable!() };
                let tree = [
                    (root, None),
                    (other, None),
                    (me, Some(root)),
                    (sibling, Some(root)),
                    (child, Some(me)),
                    (grandchild, Some(child)),
                    (nephew, Some(sibling)),
                ];
                for (id, parent) in tree {
                    new_workspace(tx, id, "A", parent)?;
                }
                let seen = |tx: &Tx<'_>, id| {
                    Ok::<_, crate::Error>(peers(tx, id)?.unwrap().into_iter().map(|p| p.id).collect::<Vec<_>>())
                };
                assert_eq!(seen(tx, me)?, [sibling, child, root]);
                assert_eq!(seen(tx, root)?, [other, me, sibling]);
                assert_eq!(seen(tx, grandchild)?, [child]);
                workspaces::transition(tx, sibling, Trigger::Remove)?;
                assert_eq!(seen(tx, me)?, [child, root]);
                assert!(peers(tx, WorkspaceId::random())?.is_none());
                Ok(())
            })
            .await
            .unwrap();
    }
}
