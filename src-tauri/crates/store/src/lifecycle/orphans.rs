//! Credentials whose agent is gone for good (10 §18.4, S120, S121).

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, params};

use crate::{Result, Tx, workspaces::parsed};

/// Whose tokens may be stale at all: what we launched and what nobody put to rest on purpose. A pause keeps
/// the tokens (20 §3.3), and so does sleep; a launch under way is just making its own.
const OF_OURS: &str = "SELECT w.id FROM workspaces w WHERE w.launched = 1 AND w.runtime <> 'external'
    AND w.status NOT IN ('removed', 'provisioning', 'paused', 'hibernating', 'hibernated')";

/// Workspaces of ours with a live token that nobody has used since `cutoff`.
///
/// # Errors
/// When the tables cannot be read.
pub fn with_stale_tokens(conn: &Connection, cutoff: Timestamp) -> Result<Vec<WorkspaceId>> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT DISTINCT t.workspace_id FROM workspace_auth_tokens t
         WHERE t.revoked_at IS NULL AND coalesce(t.last_used_at, t.created_at) < ?1 AND t.workspace_id IN ({OF_OURS})"
    ))?;
    let rows = query.query_map([cutoff.to_string()], |row| parsed(row, "workspace_id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Revokes them. The conditions of the look are repeated here, so that a token which a restart issued meanwhile
/// lives (S121). Answers how many.
///
/// # Errors
/// When the rows cannot be written.
pub fn revoke_stale(tx: &mut Tx<'_>, id: WorkspaceId, cutoff: Timestamp) -> Result<usize> {
    let now = tx.now().to_string();
    Ok(tx
        .prepare_cached(&format!(
            "UPDATE workspace_auth_tokens SET revoked_at = ?3
             WHERE workspace_id = ?1 AND revoked_at IS NULL AND coalesce(last_used_at, created_at) < ?2
               AND workspace_id IN ({OF_OURS})"
        ))?
        .execute(params![id.to_string(), cutoff.to_string(), now])?)
}

#[cfg(test)]
mod tests {
    use molecule_model::Status;

    use super::{revoke_stale, with_stale_tokens};
    use crate::{
        lifecycle::testing::{Bed, token},
        tokens,
    };

    #[tokio::test]
    async fn s120_r59_only_what_we_launched_and_nobody_put_to_rest_loses_its_tokens() {
        for status in Status::ALL {
            for (runtime, launched) in [("local", 1), ("local", 0), ("external", 0), ("external", 1)] {
                let bed = Bed::new();
                let id = bed.add(None).await;
                let old = token(1);
                let (listed, revoked) = bed
                    .store
                    .write(move |tx| {
                        tokens::issue(tx, id, &old)?;
                        tx.execute(
                            "UPDATE workspaces SET status = ?1, runtime = ?2, launched = ?3",
                            (status.as_str(), runtime, launched),
                        )?;
                        let cutoff = tx.now().plus_seconds(300);
                        Ok((with_stale_tokens(tx, cutoff)?, revoke_stale(tx, id, cutoff)?))
                    })
                    .await
                    .unwrap();
                let loses = launched == 1
                    && runtime == "local"
                    && matches!(
                        status,
                        Status::Online | Status::Degraded | Status::Offline | Status::Failed | Status::AwaitingAgent
                    );
                assert_eq!(
                    (listed.len(), revoked),
                    (usize::from(loses), usize::from(loses)),
                    "{status} {runtime} {launched}"
                );
            }
        }
    }

    #[tokio::test]
    async fn s121_a_token_that_was_issued_or_used_meanwhile_lives() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let left = bed
            .store
            .write(move |tx| {
                tx.execute("UPDATE workspaces SET status = 'offline', launched = 1", [])?;
                for byte in [1, 2] {
                    tokens::issue(tx, id, &token(byte))?;
                }
                let cutoff = tx.now().plus_seconds(1);
                assert_eq!(with_stale_tokens(tx, cutoff)?, [id]);
                // Between the look and the write: one is used, and a restart issues another.
                let later = cutoff.plus_seconds(1).to_string();
                tx.execute("UPDATE workspace_auth_tokens SET last_used_at = ?1 WHERE id = 'token-2'", [&later])?;
                tokens::issue(tx, id, &token(3))?;
                tx.execute("UPDATE workspace_auth_tokens SET created_at = ?1 WHERE id = 'token-3'", [&later])?;
                assert_eq!(revoke_stale(tx, id, cutoff)?, 1);
                let mut left: Vec<String> = tokens::list(tx, id, 10, 0)?.into_iter().map(|row| row.id).collect();
                left.sort();
                Ok(left)
            })
            .await
            .unwrap();
        assert_eq!(left, ["token-2", "token-3"]);
    }
}
