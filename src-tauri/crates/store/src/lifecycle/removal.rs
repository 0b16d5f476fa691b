//! Tombstones and purging (20 §2.2).

use molecule_model::{Trigger, WorkspaceId};

use crate::{Result, Tx, tokens, workspaces};

/// Turns rows into tombstones (20 §2.2 step 4), the status first: a racing register, heartbeat or restart
/// sees it and gives up. Answers those that were not removed before.
///
/// # Errors
/// When the rows cannot be written.
pub fn remove(tx: &mut Tx<'_>, ids: &[WorkspaceId]) -> Result<Vec<WorkspaceId>> {
    let mut removed = Vec::with_capacity(ids.len());
    for id in ids {
        if workspaces::transition(tx, *id, Trigger::Remove)?.is_some() {
            removed.push(*id);
        }
    }
    for id in ids {
        tx.prepare_cached("DELETE FROM canvas_layouts WHERE workspace_id = ?1")?.execute([id.to_string()])?;
        tokens::revoke_all(tx, *id)?;
    }
    Ok(removed)
}

/// Tables whose rows go before their workspace does, in the order of 20 §2.2.
const DEPENDENT: [&str; 12] = [
    "agent_memories",
    "activity_logs",
    "secrets",
    "workspace_config",
    "workspace_memory",
    "workspace_token_usage",
    "approval_requests",
    "inflight",
    "a2a_queue",
    "workspace_auth_tokens",
    "canvas_layouts",
    "workspaces",
];

/// Deletes removed rows and everything that hangs on them.
///
/// # Errors
/// When the rows cannot be written.
pub fn purge(tx: &mut Tx<'_>, ids: &[WorkspaceId]) -> Result<()> {
    for table in DEPENDENT {
        let column = if table == "workspaces" { "id" } else { "workspace_id" };
        if table == "workspaces" {
            for id in ids {
                let id = [id.to_string()];
                tx.execute("UPDATE workspaces SET parent_id = NULL WHERE parent_id = ?1", id.clone())?;
                tx.execute("UPDATE workspaces SET forwarded_to = NULL WHERE forwarded_to = ?1", id)?;
            }
        }
        for id in ids {
            tx.execute(&format!("DELETE FROM {table} WHERE {column} = ?1"), [id.to_string()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, wire::MemoryScope};

    use super::{purge, remove};
    use crate::{
        lifecycle::testing::{Bed, token},
        memories, tokens, workspaces,
    };

    #[tokio::test]
    async fn s221_removal_cuts_tokens_and_purge_leaves_nothing() {
        let bed = Bed::new();
        let root = bed.add(None).await;
        let child = bed.add(Some(root)).await;
        let stranger = bed.add(Some(child)).await;
        bed.store
            .write(move |tx| {
                tokens::issue(tx, child, &token(1))?;
                memories::insert(tx, "m", child, "fact", MemoryScope::Team, "general")
            })
            .await
            .unwrap();
        let removed = bed.store.write(move |tx| remove(tx, &[root, child])).await.unwrap();
        assert_eq!(removed, [root, child]);
        assert_eq!(bed.get(child).await.status, Status::Removed);
        assert!(!bed.store.read(move |conn| tokens::has_live(conn, child)).await.unwrap());
        assert!(bed.store.write(move |tx| remove(tx, &[root])).await.unwrap().is_empty(), "already removed");

        bed.store.write(move |tx| purge(tx, &[root, child])).await.unwrap();
        let left: i64 = bed
            .store
            .read(|conn| {
                Ok(conn.query_row(
                    "SELECT (SELECT count(*) FROM agent_memories) + (SELECT count(*) FROM workspace_auth_tokens)",
                    [],
                    |row| row.get(0),
                )?)
            })
            .await
            .unwrap();
        assert_eq!(left, 0);
        assert_eq!(bed.get(stranger).await.parent_id, None, "a child that was not purged keeps living");
        assert!(bed.store.read(move |conn| workspaces::get(conn, root)).await.unwrap().is_none());
    }
}
