//! Tasks that nobody works on any more (30 §2.8, R-109).

use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use rusqlite::params;
use serde_json::json;

use crate::{Result, Tx, outbox::NewEvent, workspaces::parsed};

/// Sets `active_tasks` to 0 where a workspace says that it works, and yet since `cutoff` gave no sign of life,
/// got no message and left no row. One that has a forward on its way now is at work. A schedule's `skipped` rows
/// are no work of the agent. Answers whom it freed.
///
/// # Errors
/// When the rows cannot be written.
pub fn free_phantoms(tx: &mut Tx<'_>, cutoff: Timestamp) -> Result<Vec<WorkspaceId>> {
    let (cutoff, now) = (cutoff.to_string(), tx.now().to_string());
    let freed: Vec<WorkspaceId> = tx
        .prepare_cached(
            "UPDATE workspaces SET active_tasks = 0, current_task = '', updated_at = ?2
             WHERE active_tasks > 0 AND status <> 'removed'
               AND coalesce(last_heartbeat_at, updated_at) < ?1
               AND NOT EXISTS (SELECT 1 FROM inflight f WHERE f.workspace_id = workspaces.id)
               AND NOT EXISTS (SELECT 1 FROM activity_logs a WHERE a.workspace_id = workspaces.id AND a.created_at >= ?1
                               AND NOT (a.activity_type = 'cron_run' AND a.status = 'skipped'))
             RETURNING id",
        )?
        .query_map(params![cutoff, now], |row| parsed(row, "id"))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &freed {
        let payload = json!({"current_task": "", "active_tasks": 0});
        tx.emit(NewEvent::numbered(EventKind::TaskUpdated, Some(*id), payload))?;
    }
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Timestamp, WorkspaceId};

    use super::free_phantoms;
    use crate::{
        Result, Tx,
        activity::{self, NewActivity},
        inflight::{self, NewInflight},
        registry::{
            Beat, beat,
            testing::{kinds, sign},
        },
        testing::{new_workspace, open},
        workspaces,
    };

    /// A workspace that said an hour ago that it works on something.
    fn busy(tx: &mut Tx<'_>, name: &str) -> Result<WorkspaceId> {
        let id = WorkspaceId::random();
        new_workspace(tx, id, name, None)?;
        beat(tx, &Beat { active_tasks: 1, current_task: "digging".into(), ..sign(id) })?;
        let then = tx.now().plus_seconds(-3_600).to_string();
        tx.execute(
            "UPDATE workspaces SET last_heartbeat_at = ?2, updated_at = ?2 WHERE id = ?1",
            [id.to_string(), then],
        )?;
        Ok(id)
    }

    fn row(id: WorkspaceId, kind: &'static str, status: &'static str) -> NewActivity {
        NewActivity { status, ..NewActivity::new(id, kind) }
    }

    #[tokio::test]
    async fn r109_only_who_is_silent_in_every_way_is_freed() {
        let (store, _dir) = open();
        store
            .write(|tx| {
                let (stuck, scheduled) = (busy(tx, "Stuck")?, busy(tx, "Scheduled")?);
                activity::insert(tx, &row(scheduled, "cron_run", "skipped"))?;
                let (talking, forwarded, gone) = (busy(tx, "Talking")?, busy(tx, "Forwarded")?, busy(tx, "Gone")?);
                activity::insert(tx, &row(talking, "agent_log", "ok"))?;
                let message = NewInflight {
                    id: "i1",
                    workspace: forwarded,
                    source_id: None,
                    method: "message/send",
                    message_id: None,
                    request_body: "{}",
                };
                inflight::insert(tx, &message)?;
                workspaces::transition(tx, gone, molecule_model::Trigger::Remove)?;
                let beating = busy(tx, "Beating")?;
                beat(tx, &Beat { active_tasks: 1, ..sign(beating) })?;
                let told = kinds(tx)?.len();
                let cutoff: Timestamp = tx.now().plus_seconds(-600);
                let mut freed = free_phantoms(tx, cutoff)?;
                let mut want = vec![stuck, scheduled];
                freed.sort_by_key(ToString::to_string);
                want.sort_by_key(ToString::to_string);
                assert_eq!(freed, want);
                let row = workspaces::get(tx, stuck)?.unwrap();
                assert_eq!((row.active_tasks, row.current_task.as_deref()), (0, Some("")));
                assert_eq!(workspaces::get(tx, talking)?.unwrap().active_tasks, 1);
                assert_eq!(kinds(tx)?[told..], ["TASK_UPDATED", "TASK_UPDATED"]);
                assert!(free_phantoms(tx, cutoff)?.is_empty());
                Ok(())
            })
            .await
            .unwrap();
    }
}
