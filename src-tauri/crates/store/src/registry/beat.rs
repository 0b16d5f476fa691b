//! Signs of life and what they move (10 §5, R-40). Hot path.

use molecule_model::{Status, Trigger, WorkspaceId, event::EventKind};
use rusqlite::{OptionalExtension, params};
use serde_json::json;

use crate::{
    Result, Tx,
    outbox::NewEvent,
    queue, tokens,
    workspaces::{self, parsed},
};

/// US cents that a heartbeat may claim at most (10 §5.1).
const MOST_SPEND: i64 = 1_000_000_000_000;
/// Error rate from which an agent counts as degraded, and below which as recovered (10 §5.3).
const DEGRADED_FROM: f64 = 0.5;
const RECOVERED_BELOW: f64 = 0.1;

/// A sign of life (10 §5.1).
#[derive(Clone, Debug)]
pub struct Beat {
    /// Which workspace.
    pub id: WorkspaceId,
    /// It showed a credential of its own.
    pub proven: bool,
    /// 0 to 1.
    pub error_rate: f64,
    /// Why.
    pub sample_error: String,
    /// What it runs now.
    pub active_tasks: i64,
    /// Since its start; `None` was not said.
    pub uptime_seconds: Option<i64>,
    /// What it works on.
    pub current_task: String,
    /// US cents this month; 0 says nothing.
    pub monthly_spend: i64,
    /// `wedged`: alive but cannot work.
    pub runtime_state: String,
    /// It judges its own health: error rates say nothing (10 §5.2).
    pub native_status: bool,
}

/// What a beat did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beaten {
    /// It counted.
    Alive {
        /// A side beat: it drops no overrides.
        side: bool,
        /// The uptime that is stored now.
        uptime_seconds: i64,
        /// It can take a message, and one waits in the queue for it (10 §5.2 step 6).
        waiting: bool,
    },
    /// Unknown or removed: nothing was written.
    Nobody {
        /// There is a tombstone.
        removed: bool,
    },
    /// It has a bearer and did not show it.
    Taken,
}

/// What a row said before a beat.
struct Before {
    status: Status,
    task: String,
    uptime: i64,
    most: i64,
}

/// Takes a beat: columns, status and their events (10 §5.2, §5.3, R-40). Hot path.
///
/// # Errors
/// When the rows cannot be written.
pub fn beat(tx: &mut Tx<'_>, beat: &Beat) -> Result<Beaten> {
    let id = beat.id.to_string();
    let before: Option<Before> = tx
        .prepare_cached(
            "SELECT status, coalesce(current_task, '') AS task, uptime_seconds, max(max_concurrent_tasks, 1) AS most
             FROM workspaces WHERE id = ?1",
        )?
        .query_row([&id], |row| {
            Ok(Before {
                status: parsed(row, "status")?,
                task: row.get("task")?,
                uptime: row.get("uptime_seconds")?,
                most: row.get("most")?,
            })
        })
        .optional()?;
    let Some(before) = before else { return Ok(Beaten::Nobody { removed: false }) };
    if before.status == Status::Removed {
        return Ok(Beaten::Nobody { removed: true });
    }
    if !beat.proven && tokens::has_live(tx, beat.id)? {
        return Ok(Beaten::Taken);
    }
    let side = beat.uptime_seconds == Some(0) && before.uptime > 0;
    let uptime = if side { before.uptime } else { beat.uptime_seconds.unwrap_or(before.uptime) };
    let errs = beat.error_rate > 0.0;
    let now = tx.now().to_string();
    tx.prepare_cached(
        "UPDATE workspaces SET last_heartbeat_at = ?2, updated_at = ?2, active_tasks = ?3, current_task = ?4, uptime_seconds = ?5,
             last_error_rate = CASE WHEN ?6 THEN ?7 ELSE last_error_rate END,
             last_sample_error = CASE WHEN ?6 THEN ?8 ELSE last_sample_error END,
             monthly_spend = CASE WHEN ?9 > 0 THEN ?9 ELSE monthly_spend END
         WHERE id = ?1",
    )?
    .execute(params![
        id,
        now,
        beat.active_tasks,
        beat.current_task,
        uptime,
        !side || errs,
        beat.error_rate,
        beat.sample_error,
        beat.monthly_spend.clamp(0, MOST_SPEND)
    ])?;
    judge(tx, beat, before.status, side)?;
    if before.task != beat.current_task {
        let payload = json!({"current_task": beat.current_task, "active_tasks": beat.active_tasks});
        tx.emit(NewEvent::numbered(EventKind::TaskUpdated, Some(beat.id), payload))?;
    }
    // Whoever is wedged has room and cannot work: it would only use up attempts.
    let able = beat.active_tasks < before.most && beat.runtime_state != "wedged";
    Ok(Beaten::Alive { side, uptime_seconds: uptime, waiting: able && queue::is_waiting(tx, beat.id)? })
}

/// The status evaluation of 10 §5.3; the status was read once, at the start.
fn judge(tx: &mut Tx<'_>, beat: &Beat, status: Status, side: bool) -> Result<()> {
    match status {
        Status::Online => {
            let mut payloads = Vec::new();
            if beat.runtime_state == "wedged" {
                payloads.push(json!({"runtime_state": "wedged", "sample_error": beat.sample_error}));
            }
            if !beat.native_status && beat.error_rate >= DEGRADED_FROM {
                payloads.push(json!({"error_rate": beat.error_rate, "sample_error": beat.sample_error}));
            }
            if !payloads.is_empty() && workspaces::transition(tx, beat.id, Trigger::Degrade)?.is_some() {
                for payload in payloads {
                    tx.record(EventKind::WorkspaceDegraded, beat.id, payload)?;
                }
            }
        }
        Status::Degraded => {
            let healthy =
                !beat.native_status && beat.error_rate < RECOVERED_BELOW && beat.runtime_state.is_empty() && !side;
            if healthy && workspaces::transition(tx, beat.id, Trigger::Recover)?.is_some() {
                tx.record(EventKind::WorkspaceOnline, beat.id, json!({}))?;
            }
        }
        Status::Offline | Status::Provisioning | Status::AwaitingAgent => {
            if workspaces::transition(tx, beat.id, Trigger::Heartbeat)?.is_some() {
                let payload = if status == Status::Offline { json!({}) } else { json!({"recovered_from": status}) };
                tx.record(EventKind::WorkspaceOnline, beat.id, payload)?;
            }
        }
        Status::Failed | Status::Paused | Status::Hibernating | Status::Hibernated | Status::Removed => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, WorkspaceId};

    use super::{Beat, Beaten, beat};
    use crate::{
        registry::{
            register, standing,
            testing::{kinds, registration, sign},
        },
        testing::{new_workspace, open},
        tokens, workspaces,
    };

    /// 10 §5.3, every row of the table.
    #[tokio::test]
    async fn s093_s105_s106_s107_what_a_beat_moves() {
        type Change = fn(Beat) -> Beat;
        let wedged: Change = |b| Beat { runtime_state: "wedged".into(), ..b };
        let erring: Change = |b| Beat { error_rate: 0.5, ..b };
        let both: Change = |b| Beat { runtime_state: "wedged".into(), error_rate: 0.9, ..b };
        let native: Change = |b| Beat { native_status: true, ..b };
        let native_erring: Change = |b| Beat { native_status: true, error_rate: 0.9, ..b };
        let native_wedged: Change = |b| Beat { native_status: true, runtime_state: "wedged".into(), ..b };
        let side: Change = |b| Beat { uptime_seconds: Some(0), ..b };
        let side_erring: Change = |b| Beat { uptime_seconds: Some(0), error_rate: 0.9, ..b };
        let plain: Change = |b| b;
        let table: Vec<(Status, Change, Status, &[&str])> = vec![
            (Status::Online, plain, Status::Online, &[]),
            (Status::Online, wedged, Status::Degraded, &["WORKSPACE_DEGRADED"]),
            (Status::Online, erring, Status::Degraded, &["WORKSPACE_DEGRADED"]),
            (Status::Online, both, Status::Degraded, &["WORKSPACE_DEGRADED", "WORKSPACE_DEGRADED"]),
            (Status::Online, native_erring, Status::Online, &[]),
            (Status::Online, native_wedged, Status::Degraded, &["WORKSPACE_DEGRADED"]),
            (Status::Online, side_erring, Status::Degraded, &["WORKSPACE_DEGRADED"]),
            (Status::Degraded, plain, Status::Online, &["WORKSPACE_ONLINE"]),
            (Status::Degraded, erring, Status::Degraded, &[]),
            (Status::Degraded, wedged, Status::Degraded, &[]),
            (Status::Degraded, native, Status::Degraded, &[]),
            (Status::Degraded, side, Status::Degraded, &[]),
            (Status::Offline, plain, Status::Online, &["WORKSPACE_ONLINE"]),
            (Status::Offline, side, Status::Online, &["WORKSPACE_ONLINE"]),
            (Status::Provisioning, plain, Status::Online, &["WORKSPACE_ONLINE"]),
            (Status::AwaitingAgent, plain, Status::Online, &["WORKSPACE_ONLINE"]),
            (Status::Failed, plain, Status::Failed, &[]),
            (Status::Paused, plain, Status::Paused, &[]),
            (Status::Hibernating, plain, Status::Hibernating, &[]),
            (Status::Hibernated, plain, Status::Hibernated, &[]),
        ];
        for (n, (before, change, after, events)) in table.into_iter().enumerate() {
            let (store, _dir) = open();
            let id = WorkspaceId::random();
            let given = change(sign(id));
            let (now, heard) = store
                .write(move |tx| {
                    new_workspace(tx, id, "A", None)?;
                    tx.execute("UPDATE workspaces SET status = ?1, uptime_seconds = 5", [before.as_str()])?;
                    beat(tx, &given)?;
                    Ok((workspaces::get(tx, id)?.unwrap().status, kinds(tx)?))
                })
                .await
                .unwrap();
            assert_eq!(
                (now, heard.as_slice()),
                (after, events.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>().as_slice()),
                "row {n}"
            );
        }
    }

    #[tokio::test]
    async fn r40_side_beats_set_the_task_and_little_else() {
        let (store, _dir) = open();
        let id = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, id, "A", None)?;
                register(tx, &registration(id))?;
                beat(
                    tx,
                    &Beat {
                        error_rate: 0.2,
                        sample_error: "slow".into(),
                        uptime_seconds: Some(400),
                        monthly_spend: 12,
                        ..sign(id)
                    },
                )?;
                let aside =
                    Beat { uptime_seconds: Some(0), current_task: "reading".into(), active_tasks: 1, ..sign(id) };
                assert_eq!(beat(tx, &aside)?, Beaten::Alive { side: true, uptime_seconds: 400, waiting: false });
                let row = workspaces::get(tx, id)?.unwrap();
                assert_eq!(
                    (row.uptime_seconds, row.active_tasks, row.current_task.as_deref()),
                    (400, 1, Some("reading"))
                );
                assert_eq!(
                    (row.last_error_rate, row.last_sample_error.as_deref(), row.monthly_spend),
                    (0.2, Some("slow"), 12)
                );
                // An absent uptime keeps the stored one, and the beat is otherwise full.
                assert_eq!(
                    beat(tx, &Beat { uptime_seconds: None, ..sign(id) })?,
                    Beaten::Alive { side: false, uptime_seconds: 400, waiting: false }
                );
                let row = workspaces::get(tx, id)?.unwrap();
                assert_eq!(
                    (row.last_error_rate, row.last_sample_error.as_deref(), row.current_task.as_deref()),
                    (0.0, Some(""), Some(""))
                );
                assert_eq!(kinds(tx)?.iter().filter(|kind| *kind == "TASK_UPDATED").count(), 2);
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_beat_without_the_bearer_that_exists_is_refused() {
        let (store, _dir) = open();
        let id = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, id, "A", None)?;
                assert!(matches!(beat(tx, &Beat { proven: false, ..sign(id) })?, Beaten::Alive { .. }));
                tokens::issue(tx, id, &registration(id).token)?;
                assert!(standing(tx, id)?.unwrap().has_token);
                assert_eq!(beat(tx, &Beat { proven: false, ..sign(id) })?, Beaten::Taken);
                Ok(())
            })
            .await
            .unwrap();
    }
}
