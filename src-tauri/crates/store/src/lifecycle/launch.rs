//! What a launch leaves in the row: begun, failed, claimed, answered, gone (20 §3, §7, §8.2).

use molecule_model::{Status, Timestamp, Trigger, WorkspaceId, event::EventKind};
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use crate::{
    Result, Tx, tokens,
    workspaces::{self, Transition},
};

/// A launch begins: the status by `trigger`, no address, no old error, and the event (20 §3.1 step 6).
///
/// # Errors
/// When the rows cannot be written.
pub fn begin(tx: &mut Tx<'_>, id: WorkspaceId, trigger: Trigger, payload: Value) -> Result<Option<Transition>> {
    let moved = workspaces::transition(tx, id, trigger)?;
    if moved.is_some() {
        tx.prepare_cached("UPDATE workspaces SET url = '', last_sample_error = NULL WHERE id = ?1")?
            .execute([id.to_string()])?;
        tx.record(EventKind::WorkspaceProvisioning, id, payload)?;
    }
    Ok(moved)
}

/// The launch failed (20 §7.9, R-58): one update that holds only while the row is still `provisioning` and
/// has not registered since `since`. `false`: nothing was written and there is no event.
///
/// # Errors
/// When the rows cannot be written.
pub fn fail(tx: &mut Tx<'_>, id: WorkspaceId, message: &str, payload: Value, since: Timestamp) -> Result<bool> {
    let registered: bool = tx
        .prepare_cached("SELECT coalesce(last_heartbeat_at > ?2, 0) FROM workspaces WHERE id = ?1")?
        .query_row(params![id.to_string(), since.to_string()], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    if registered || workspaces::transition(tx, id, Trigger::LaunchFailed)?.is_none() {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE workspaces SET last_sample_error = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), message])?;
    tx.record(EventKind::WorkspaceProvisionFailed, id, payload)?;
    Ok(true)
}

/// Notes that an instance of ours is being started: from here on the address is the platform's to
/// assign. `false`: the row was stopped or removed meanwhile.
///
/// # Errors
/// When the row cannot be written.
pub fn claim(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<bool> {
    update_live(tx, id, "launched = 1, url = ''", None)
}

/// Where the started instance answers. `false`: the row was stopped or removed meanwhile.
///
/// # Errors
/// When the row cannot be written.
pub fn launched(tx: &mut Tx<'_>, id: WorkspaceId, url: &str) -> Result<bool> {
    update_live(tx, id, "launched = 1, url = ?3", Some(url))
}

fn update_live(tx: &mut Tx<'_>, id: WorkspaceId, set: &str, url: Option<&str>) -> Result<bool> {
    let sql = format!(
        "UPDATE workspaces SET {set}, updated_at = ?2 WHERE id = ?1
         AND status NOT IN ('removed', 'paused', 'hibernating', 'hibernated')"
    );
    let (id, now) = (id.to_string(), tx.now().to_string());
    let mut update = tx.prepare_cached(&sql)?;
    let changed = match url {
        Some(url) => update.execute(params![id, now, url])?,
        None => update.execute(params![id, now])?,
    };
    Ok(changed == 1)
}

/// Takes back what a launch that failed had minted and noted.
///
/// # Errors
/// When the rows cannot be written.
pub fn unclaim(tx: &mut Tx<'_>, id: WorkspaceId, minted: &[String], launched_before: bool) -> Result<()> {
    for token in minted {
        tokens::revoke(tx, id, token)?;
    }
    let now = tx.now().to_string();
    tx.prepare_cached("UPDATE workspaces SET launched = ?2, url = '', updated_at = ?3 WHERE id = ?1")?
        .execute(params![id.to_string(), launched_before, now])?;
    Ok(())
}

/// Forgets the address: nobody answers there any more, and the port may soon be another program's.
///
/// # Errors
/// When the row cannot be written.
pub fn forget_url(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<()> {
    tx.prepare_cached("UPDATE workspaces SET url = '' WHERE id = ?1")?.execute([id.to_string()])?;
    Ok(())
}

/// The process of a launched agent is gone: `offline`, no address, and the event where the row changed (20 §8.2).
/// Where it is being put to sleep, its process is meant to be gone.
///
/// # Errors
/// When the rows cannot be written.
pub fn process_gone(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<Option<Transition>> {
    let (from, _) = Trigger::ProcessGone.edges();
    let from: Vec<Status> = from.iter().copied().filter(|status| *status != Status::Hibernating).collect();
    let moved = workspaces::transition_only_from(tx, id, Trigger::ProcessGone, &from)?;
    forget_url(tx, id)?;
    if moved.is_some() {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, Trigger, event::EventKind};
    use serde_json::json;

    use super::{begin, claim, fail, launched, process_gone, unclaim};
    use crate::{
        lifecycle::testing::{Bed, token},
        tokens,
    };

    #[tokio::test]
    async fn r58_a_failure_holds_only_while_nobody_registered() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let since = bed.now();
        bed.step(id, Trigger::Register).await;
        let wrote = bed.store.write(move |tx| fail(tx, id, "no", json!({}), since)).await.unwrap();
        assert!(!wrote, "the agent had registered");
        assert_eq!(bed.heard(), []);

        // Registered and then started anew: the older failure is not this start's.
        bed.store
            .write(move |tx| {
                begin(tx, id, Trigger::Restart, json!({}))?;
                let now = tx.now().to_string();
                tx.execute("UPDATE workspaces SET last_heartbeat_at = ?2 WHERE id = ?1", [id.to_string(), now])?;
                Ok(())
            })
            .await
            .unwrap();
        assert!(!bed.store.write(move |tx| fail(tx, id, "no", json!({}), since)).await.unwrap());

        let later = bed.now();
        assert!(
            bed.store.write(move |tx| fail(tx, id, "no agent", json!({"error": "no agent"}), later)).await.unwrap()
        );
        let row = bed.get(id).await;
        assert_eq!((row.status, row.last_sample_error.as_deref()), (Status::Failed, Some("no agent")));
        assert_eq!(bed.heard(), [EventKind::WorkspaceProvisioning, EventKind::WorkspaceProvisionFailed]);
    }

    #[tokio::test]
    async fn a_launch_is_noted_and_taken_back() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let minted = token(7);
        bed.store
            .write(move |tx| {
                assert!(claim(tx, id)?);
                tokens::issue(tx, id, &minted)?;
                assert!(launched(tx, id, "http://127.0.0.1:4000")?);
                Ok(())
            })
            .await
            .unwrap();
        let row = bed.get(id).await;
        assert!(row.launched);
        assert_eq!(row.live_url(), Some("http://127.0.0.1:4000"));

        bed.store.write(move |tx| unclaim(tx, id, &["token-7".to_owned()], false)).await.unwrap();
        let row = bed.get(id).await;
        assert!(!row.launched && row.live_url().is_none());
        assert!(!bed.store.read(move |conn| tokens::has_live(conn, id)).await.unwrap());
    }

    #[tokio::test]
    async fn a_stopped_row_takes_no_launch() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        bed.step(id, Trigger::Pause).await;
        assert!(!bed.store.write(move |tx| launched(tx, id, "http://127.0.0.1:1")).await.unwrap());
        assert!(bed.get(id).await.live_url().is_none());
    }

    #[tokio::test]
    async fn o20_a_process_that_is_stopped_for_sleep_is_not_called_dead() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        bed.step(id, Trigger::Register).await;
        bed.step(id, Trigger::Hibernate).await;
        assert!(bed.store.write(move |tx| process_gone(tx, id)).await.unwrap().is_none());
        assert_eq!((bed.get(id).await.status, bed.heard()), (Status::Hibernating, Vec::new()));
    }

    #[tokio::test]
    async fn a_dead_process_makes_offline_once() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        bed.step(id, Trigger::Register).await;
        for moved in [true, false] {
            let got = bed.store.write(move |tx| process_gone(tx, id)).await.unwrap();
            assert_eq!(got.is_some(), moved);
        }
        assert_eq!(bed.heard(), [EventKind::WorkspaceOffline]);
        assert_eq!(bed.get(id).await.status, Status::Offline);
    }
}
