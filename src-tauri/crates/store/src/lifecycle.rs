//! A workspace's row through its life: launch records, failures, edits, removal (20 §2, §3, §7).
//!
//! Statuses are written by [`workspaces::transition`] alone; what stands here writes the columns beside a
//! transition and the events that belong to it, in the same transaction.

use molecule_model::{Status, Timestamp, Trigger, WorkspaceId, event::EventKind};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

use crate::{
    Result, Tx, tokens,
    workspaces::{self, Transition, Workspace},
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
///
/// # Errors
/// When the rows cannot be written.
pub fn process_gone(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<Option<Transition>> {
    let moved = workspaces::transition(tx, id, Trigger::ProcessGone)?;
    forget_url(tx, id)?;
    if moved.is_some() {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

/// An address that the person gave for an external workspace (20 §1.2).
///
/// # Errors
/// When the row cannot be written.
pub fn given_url(tx: &mut Tx<'_>, id: WorkspaceId, url: &str) -> Result<()> {
    tx.prepare_cached("UPDATE workspaces SET url = ?2 WHERE id = ?1")?.execute(params![id.to_string(), url])?;
    Ok(())
}

/// What one PATCH changes; `None` leaves a column alone (20 §2.1, R-83).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The role; inner `None` clears it.
    pub role: Option<Option<String>>,
    /// The tier.
    pub tier: Option<i64>,
    /// The parent; inner `None` detaches.
    pub parent_id: Option<Option<WorkspaceId>>,
    /// The runtime.
    pub runtime: Option<String>,
    /// The folder; inner `None` clears it.
    pub workspace_dir: Option<Option<String>>,
    /// Whether the team is folded.
    pub collapsed: Option<bool>,
    /// Absolute place on the canvas.
    pub place: Option<(f64, f64)>,
}

/// Applies an edit as a whole. `false`: there is no such row.
///
/// # Errors
/// When the rows cannot be written, e.g. an unknown parent.
pub fn edit(tx: &mut Tx<'_>, id: WorkspaceId, edit: &Edit) -> Result<bool> {
    let key = id.to_string();
    let now = tx.now().to_string();
    let touched =
        tx.prepare_cached("UPDATE workspaces SET updated_at = ?2 WHERE id = ?1")?.execute(params![key, now])?;
    if touched == 0 {
        return Ok(false);
    }
    if let Some(name) = &edit.name {
        tx.prepare_cached("UPDATE workspaces SET name = ?2 WHERE id = ?1")?.execute(params![key, name])?;
    }
    if let Some(role) = &edit.role {
        tx.prepare_cached("UPDATE workspaces SET role = ?2 WHERE id = ?1")?.execute(params![key, role])?;
    }
    if let Some(tier) = edit.tier {
        tx.prepare_cached("UPDATE workspaces SET tier = ?2 WHERE id = ?1")?.execute(params![key, tier])?;
    }
    if let Some(parent) = edit.parent_id {
        tx.prepare_cached("UPDATE workspaces SET parent_id = ?2 WHERE id = ?1")?
            .execute(params![key, parent.map(|id| id.to_string())])?;
    }
    if let Some(runtime) = &edit.runtime {
        tx.prepare_cached("UPDATE workspaces SET runtime = ?2 WHERE id = ?1")?.execute(params![key, runtime])?;
    }
    if let Some(dir) = &edit.workspace_dir {
        tx.prepare_cached("UPDATE workspaces SET workspace_dir = ?2 WHERE id = ?1")?.execute(params![key, dir])?;
    }
    if let Some(collapsed) = edit.collapsed {
        tx.prepare_cached(
            "INSERT INTO canvas_layouts (workspace_id, collapsed) VALUES (?1, ?2)
             ON CONFLICT (workspace_id) DO UPDATE SET collapsed = excluded.collapsed",
        )?
        .execute(params![key, collapsed])?;
    }
    if let Some((x, y)) = edit.place {
        workspaces::place(tx, id, x, y)?;
    }
    Ok(true)
}

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

/// Writes the Config tab's document of a row that could not be started (20 §1.1).
///
/// # Errors
/// When the row cannot be written.
pub fn describe(tx: &mut Tx<'_>, id: WorkspaceId, document: &Value) -> Result<()> {
    let now = tx.now().to_string();
    tx.prepare_cached(
        "INSERT INTO workspace_config (workspace_id, data, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (workspace_id) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at",
    )?
    .execute(params![id.to_string(), document.to_string(), now])?;
    Ok(())
}

/// Below `id`, nearest first, as [`workspaces::descendants`], but a paused row cuts the walk too (20 §3.3);
/// with `paused`, only paused rows are followed (20 §3.4).
///
/// # Errors
/// When the table cannot be read.
pub fn below(conn: &Connection, id: WorkspaceId, paused: bool) -> Result<Vec<Workspace>> {
    let mut found: Vec<Workspace> = Vec::new();
    let mut level = vec![id];
    while !level.is_empty() && found.len() < 100_000 {
        let mut next = Vec::new();
        for parent in level {
            for child in workspaces::children(conn, Some(parent))? {
                let known = child.id == id || found.iter().any(|seen| seen.id == child.id);
                if !known && (child.status == Status::Paused) == paused {
                    next.push(child.id);
                    found.push(child);
                }
            }
        }
        level = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use molecule_model::{
        Status, Timestamp, Trigger, WorkspaceId,
        event::EventKind,
        wire::{DeliveryMode, MemoryScope, WorkspaceAccess},
    };
    use serde_json::json;

    use super::{
        Edit, begin, below, claim, edit, expire, fail, launched, process_gone, purge, remove, starting, unclaim,
    };
    use crate::{
        Store, memories,
        tokens::{self, NewToken},
        workspaces::{self, NewWorkspace},
    };

    struct Bed {
        store: Store,
        clock: Arc<Mutex<i64>>,
        events: Arc<Mutex<Vec<EventKind>>>,
        _folder: tempfile::TempDir,
    }

    impl Bed {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(Mutex::new(1_000_000_i64));
            let events = Arc::new(Mutex::new(Vec::new()));
            let (time, heard) = (Arc::clone(&clock), Arc::clone(&events));
            let now = Arc::new(move || {
                let mut micros = time.lock().unwrap();
                *micros += 1;
                Timestamp::from_micros(*micros)
            });
            let publish = Arc::new(move |batch: Vec<crate::Committed>| {
                heard.lock().unwrap().extend(batch.into_iter().map(|event| event.kind));
            });
            let store = Store::open(&folder.path().join("molecule.db"), now, publish).unwrap();
            Self { store, clock, events, _folder: folder }
        }

        async fn add(&self, parent_id: Option<WorkspaceId>) -> WorkspaceId {
            let new = NewWorkspace {
                id: WorkspaceId::random(),
                name: "Scribe".into(),
                role: None,
                tier: 2,
                runtime: "local".into(),
                delivery_mode: DeliveryMode::Push,
                parent_id,
                template: None,
                workspace_dir: None,
                workspace_access: WorkspaceAccess::None,
                max_concurrent_tasks: 1,
                budget_limit: None,
                x: 1.5,
                y: -2.25,
            };
            let id = new.id;
            self.store.write(move |tx| workspaces::insert(tx, &new)).await.unwrap();
            id
        }

        async fn get(&self, id: WorkspaceId) -> workspaces::Workspace {
            self.store.read(move |conn| workspaces::get(conn, id)).await.unwrap().unwrap()
        }

        async fn step(&self, id: WorkspaceId, trigger: Trigger) {
            self.store.write(move |tx| workspaces::transition(tx, id, trigger)).await.unwrap().unwrap();
        }

        fn heard(&self) -> Vec<EventKind> {
            std::mem::take(&mut self.events.lock().unwrap())
        }

        fn now(&self) -> Timestamp {
            Timestamp::from_micros(*self.clock.lock().unwrap())
        }
    }

    fn token(byte: u8) -> NewToken {
        NewToken { id: format!("token-{byte}"), hash: [byte; 32], prefix: "prefix".into(), url: false }
    }

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

    #[tokio::test]
    async fn an_edit_is_whole_or_not_at_all() {
        let bed = Bed::new();
        let id = bed.add(None).await;
        let good = Edit { name: Some("Editor".into()), role: Some(None), collapsed: Some(true), ..Edit::default() };
        assert!(bed.store.write(move |tx| edit(tx, id, &good)).await.unwrap());
        let row = bed.get(id).await;
        assert_eq!((row.name.as_str(), row.collapsed, row.x, row.y), ("Editor", true, 1.5, -2.25));

        let unknown_parent =
            Edit { name: Some("Gone".into()), parent_id: Some(Some(WorkspaceId::random())), ..Edit::default() };
        assert!(bed.store.write(move |tx| edit(tx, id, &unknown_parent)).await.is_err());
        assert_eq!(bed.get(id).await.name, "Editor");
        let nobody = WorkspaceId::random();
        assert!(!bed.store.write(move |tx| edit(tx, nobody, &Edit::default())).await.unwrap());
    }

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

    #[tokio::test]
    async fn a_paused_child_cuts_the_walk() {
        let bed = Bed::new();
        let root = bed.add(None).await;
        let running = bed.add(Some(root)).await;
        let paused = bed.add(Some(root)).await;
        let below_paused = bed.add(Some(paused)).await;
        bed.step(paused, Trigger::Pause).await;
        let ids = |rows: Vec<workspaces::Workspace>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(ids(bed.store.read(move |conn| below(conn, root, false)).await.unwrap()), [running]);
        assert_eq!(ids(bed.store.read(move |conn| below(conn, root, true)).await.unwrap()), [paused]);
        assert_eq!(ids(bed.store.read(move |conn| below(conn, paused, false)).await.unwrap()), [below_paused]);
    }
}
