//! Putting idle workspaces to sleep (10 §18.4, 20 §3.5, §8.5).

use molecule_model::{Timestamp, Trigger, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Result, Tx, workspaces};

/// A workspace that may sleep when it is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleeper {
    /// Its id.
    pub id: WorkspaceId,
    /// Idle for so long, minutes.
    pub after_minutes: i64,
}

/// Whoever runs, was given a time to sleep after, and says that it has nothing to do. Only what we launched: nobody
/// else can be woken by us.
///
/// # Errors
/// When the table cannot be read.
pub fn sleepers(conn: &Connection) -> Result<Vec<Sleeper>> {
    let mut query = conn.prepare_cached(
        "SELECT id, hibernation_idle_minutes FROM workspaces
         WHERE hibernation_idle_minutes > 0 AND status IN ('online', 'degraded') AND active_tasks = 0
           AND runtime <> 'external' AND launched = 1 AND last_heartbeat_at IS NOT NULL",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Sleeper { id: workspaces::parsed(row, "id")?, after_minutes: row.get("hibernation_idle_minutes")? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Claims an idle workspace for hibernation: `hibernating`, only while it still has nothing to do, nothing is on its
/// way to it or waits for it, and no message reached it since `cutoff`. `false`: it stays up.
///
/// # Errors
/// When the row cannot be written.
pub fn claim_idle(tx: &mut Tx<'_>, id: WorkspaceId, cutoff: Timestamp) -> Result<bool> {
    let idle: bool = tx
        .prepare_cached(
            "SELECT active_tasks = 0
                AND NOT EXISTS (SELECT 1 FROM inflight f WHERE f.workspace_id = w.id)
                AND NOT EXISTS (SELECT 1 FROM a2a_queue q WHERE q.workspace_id = w.id AND q.status IN ('queued', 'dispatched'))
                AND coalesce((SELECT a.created_at FROM activity_logs a WHERE a.workspace_id = w.id
                              AND a.activity_type = 'a2a_receive' ORDER BY a.seq DESC LIMIT 1) < ?2, 1)
             FROM workspaces w WHERE w.id = ?1",
        )?
        .query_row(params![id.to_string(), cutoff.to_string()], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    Ok(idle && workspaces::transition(tx, id, Trigger::Hibernate)?.is_some())
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, Trigger};

    use super::{Sleeper, claim_idle, sleepers};
    use crate::{
        Tx,
        activity::{self, NewActivity},
        inflight::{self, NewInflight},
        lifecycle::testing::Bed,
    };

    const RUNNING: &str = "UPDATE workspaces SET hibernation_idle_minutes = 5, launched = 1, last_heartbeat_at = '2026-05-02T09:14:03.000000Z'";

    #[tokio::test]
    async fn s18_4_only_who_runs_for_us_has_nothing_to_do_and_may_sleep_is_looked_at() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        bed.step(id, Trigger::Register).await;
        let table = [
            ("hibernation_idle_minutes = 5", true),
            ("hibernation_idle_minutes = NULL", false),
            ("hibernation_idle_minutes = 0", false),
            ("active_tasks = 1", false),
            ("runtime = 'external'", false),
            ("launched = 0", false),
            ("last_heartbeat_at = NULL", false),
        ];
        for (change, listed) in table {
            let found = bed
                .store
                .write(move |tx| {
                    tx.execute(RUNNING, [])?;
                    tx.execute("UPDATE workspaces SET active_tasks = 0, runtime = 'local'", [])?;
                    tx.execute(&format!("UPDATE workspaces SET {change}"), [])?;
                    sleepers(tx)
                })
                .await
                .unwrap();
            let want = if listed { vec![Sleeper { id, after_minutes: 5 }] } else { Vec::new() };
            assert_eq!(found, want, "{change}");
        }
    }

    #[tokio::test]
    async fn a_claim_holds_only_while_nothing_is_on_its_way() {
        type Meanwhile = fn(&mut Tx<'_>, molecule_model::WorkspaceId) -> crate::Result<()>;
        let nothing: Meanwhile = |_, _| Ok(());
        let forward: Meanwhile = |tx, id| {
            let method = "message/send";
            let new =
                NewInflight { id: "i", workspace: id, source_id: None, method, message_id: None, request_body: "{}" };
            inflight::insert(tx, &new)
        };
        let queued: Meanwhile = |tx, id| {
            let sql = "INSERT INTO a2a_queue (id, workspace_id, body, enqueued_at) VALUES ('q', ?1, '{}', '2026')";
            Ok(tx.execute(sql, [id.to_string()]).map(drop)?)
        };
        let answered: Meanwhile = |tx, id| activity::insert(tx, &NewActivity::new(id, "a2a_receive")).map(drop);
        let working: Meanwhile = |tx, _| Ok(tx.execute("UPDATE workspaces SET active_tasks = 1", []).map(drop)?);
        let own_row: Meanwhile = |tx, id| activity::insert(tx, &NewActivity::new(id, "agent_log")).map(drop);
        let table =
            [(nothing, true), (forward, false), (queued, false), (answered, false), (working, false), (own_row, true)];
        for (n, (meanwhile, claimed)) in table.into_iter().enumerate() {
            let bed = Bed::new();
            let id = bed.add(None).await;
            bed.step(id, Trigger::Register).await;
            let got = bed
                .store
                .write(move |tx| {
                    tx.execute(RUNNING, [])?;
                    let cutoff = tx.now();
                    meanwhile(tx, id)?;
                    claim_idle(tx, id, cutoff)
                })
                .await
                .unwrap();
            assert_eq!(got, claimed, "row {n}");
            assert_eq!(bed.get(id).await.status, if claimed { Status::Hibernating } else { Status::Online });
        }
    }
}
