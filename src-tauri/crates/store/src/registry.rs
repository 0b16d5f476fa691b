//! What agents say of themselves: registration, heartbeats, cards, and who stands beside whom (10 §4–§7).

use molecule_model::{
    Status, Timestamp, Trigger, WorkspaceId,
    event::EventKind,
    runtime,
    wire::{DeliveryMode, WorkspaceAccess},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json, value::RawValue};

use crate::{
    Result, Tx,
    outbox::NewEvent,
    tokens::{self, NewToken},
    workspaces::{self, NewWorkspace, parsed, parsed_opt},
};

/// US cents that a heartbeat may claim at most (10 §5.1).
const MOST_SPEND: i64 = 1_000_000_000_000;
/// Error rate from which an agent counts as degraded, and below which as recovered (10 §5.3).
const DEGRADED_FROM: f64 = 0.5;
const RECOVERED_BELOW: f64 = 0.1;

/// What is known of an id before a registry call is let in (10 §2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: Status,
    /// Whether it has a live bearer.
    pub has_token: bool,
    /// Whether we started an instance of it (R-59).
    pub launched: bool,
    /// How messages reach it.
    pub delivery_mode: DeliveryMode,
}

/// Looks an id up.
///
/// # Errors
/// When the table cannot be read.
pub fn standing(conn: &Connection, id: WorkspaceId) -> Result<Option<Standing>> {
    let mut query = conn.prepare_cached("SELECT status, launched, delivery_mode FROM workspaces WHERE id = ?1")?;
    let found = query
        .query_row([id.to_string()], |row| {
            let mode: String = row.get("delivery_mode")?;
            Ok((parsed(row, "status")?, row.get("launched")?, DeliveryMode::parse(&mode).unwrap_or(DeliveryMode::Push)))
        })
        .optional()?;
    let Some((status, launched, delivery_mode)) = found else { return Ok(None) };
    Ok(Some(Standing { status, launched, delivery_mode, has_token: tokens::has_live(conn, id)? }))
}

/// An agent announces itself.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Which workspace.
    pub id: WorkspaceId,
    /// Where it says it answers, as text (R-63); empty where it said nothing that counts.
    pub url: String,
    /// Its card, JSON text.
    pub card: String,
    /// How messages are to reach it.
    pub mode: DeliveryMode,
    /// It showed a credential of its own.
    pub proven: bool,
    /// A row may be made for an unknown id.
    pub may_create: bool,
    /// The bearer to issue where it has none.
    pub token: NewToken,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is online.
    Done {
        /// The bearer was issued.
        issued: bool,
    },
    /// A tombstone stays one (O-3).
    Removed,
    /// A bearer was issued to somebody else meanwhile.
    Taken,
    /// There is no such row, and none may be made.
    Unknown,
}

/// Registers: address, card, `online`, events, and a bearer where there is none (10 §4.2).
///
/// # Errors
/// When the rows cannot be written.
pub fn register(tx: &mut Tx<'_>, given: &Registration) -> Result<Registered> {
    match standing(tx, given.id)? {
        None if !given.may_create => return Ok(Registered::Unknown),
        None => create(tx, given)?,
        Some(known) if known.status == Status::Removed => return Ok(Registered::Removed),
        Some(known) if known.has_token && !given.proven => return Ok(Registered::Taken),
        Some(_) => {}
    }
    workspaces::transition(tx, given.id, Trigger::Register)?;
    let (id, now) = (given.id.to_string(), tx.now().to_string());
    let before: Option<String> =
        tx.prepare_cached("SELECT agent_card FROM workspaces WHERE id = ?1")?.query_row([&id], |row| row.get(0))?;
    // The address of what we launched is ours to say (R-34).
    let url: Option<String> = tx
        .prepare_cached(
            "UPDATE workspaces SET url = CASE WHEN launched = 1 THEN url ELSE ?2 END, reported_url = ?2, agent_card = ?3,
                 delivery_mode = ?4, last_heartbeat_at = ?5, updated_at = ?5
             WHERE id = ?1 RETURNING url",
        )?
        .query_row(params![id, given.url, given.card, given.mode.as_str(), now], |row| row.get(0))?;
    let card: Value = serde_json::from_str(&given.card).unwrap_or_default();
    let changed = before.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).as_ref() != Some(&card);
    tx.record(EventKind::WorkspaceOnline, given.id, json!({"url": url.unwrap_or_default(), "agent_card": card}))?;
    if changed {
        tx.record(EventKind::AgentCardUpdated, given.id, json!({"agent_card": card}))?;
    }
    let issued = !tokens::has_live(tx, given.id)?;
    if issued {
        tokens::issue(tx, given.id, &given.token)?;
    }
    Ok(Registered::Done { issued })
}

/// A row for an agent that nobody made one for: it came by itself, so nobody launches it.
fn create(tx: &mut Tx<'_>, given: &Registration) -> Result<()> {
    let name = given.id.to_string();
    let (tier, runtime) = (1, runtime::EXTERNAL);
    workspaces::insert(
        tx,
        &NewWorkspace {
            id: given.id,
            name: name.clone(),
            role: None,
            tier,
            runtime: runtime.into(),
            delivery_mode: given.mode,
            parent_id: None,
            template: None,
            workspace_dir: None,
            workspace_access: WorkspaceAccess::None,
            max_concurrent_tasks: 1,
            budget_limit: None,
            x: 0.0,
            y: 0.0,
        },
    )?;
    let payload = json!({"name": name, "tier": tier, "runtime": runtime, "x": 0.0, "y": 0.0});
    tx.record(EventKind::WorkspaceProvisioning, given.id, payload).map(drop)
}

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
        /// A side beat (R-40): it drops no overrides.
        side: bool,
        /// The uptime that is stored now.
        uptime_seconds: i64,
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
}

/// Takes a beat: columns, status and their events (10 §5.2, §5.3, R-40). Hot path.
///
/// # Errors
/// When the rows cannot be written.
pub fn beat(tx: &mut Tx<'_>, beat: &Beat) -> Result<Beaten> {
    let id = beat.id.to_string();
    let before: Option<Before> = tx
        .prepare_cached(
            "SELECT status, coalesce(current_task, '') AS task, uptime_seconds FROM workspaces WHERE id = ?1",
        )?
        .query_row([&id], |row| {
            Ok(Before { status: parsed(row, "status")?, task: row.get("task")?, uptime: row.get("uptime_seconds")? })
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
    Ok(Beaten::Alive { side, uptime_seconds: uptime })
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

/// Stores a card and tells it, also of an unknown id (10 §6). `false`: it has a bearer and did not show it.
///
/// # Errors
/// When the rows cannot be written.
pub fn update_card(tx: &mut Tx<'_>, id: WorkspaceId, card: &str, proven: bool) -> Result<bool> {
    if !proven && tokens::has_live(tx, id)? {
        return Ok(false);
    }
    let now = tx.now().to_string();
    tx.prepare_cached("UPDATE workspaces SET agent_card = ?2, updated_at = ?3 WHERE id = ?1 AND status <> 'removed'")?
        .execute(params![id.to_string(), card, now])?;
    let card: Value = serde_json::from_str(card).unwrap_or_default();
    tx.record(EventKind::AgentCardUpdated, id, json!({"agent_card": card}))?;
    Ok(true)
}

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

/// External agents that count as online and gave no sign of life since `cutoff` (10 §18.4).
///
/// # Errors
/// When the table cannot be read.
pub fn silent_externals(conn: &Connection, cutoff: Timestamp) -> Result<Vec<WorkspaceId>> {
    let mut query = conn.prepare_cached(
        "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND runtime = 'external' AND launched = 0
         AND coalesce(last_heartbeat_at, updated_at) < ?1",
    )?;
    let rows = query.query_map([cutoff.to_string()], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Who started the agent of a workspace (R-59).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// We did.
    Ours,
    /// Somebody else.
    Theirs,
}

/// Workspaces that count as online, of one kind.
///
/// # Errors
/// When the table cannot be read.
pub fn alive(conn: &Connection, whose: Whose) -> Result<Vec<WorkspaceId>> {
    let sql = match whose {
        Whose::Ours => "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND launched = 1",
        Whose::Theirs => "SELECT id FROM workspaces WHERE status IN ('online', 'degraded') AND launched = 0",
    };
    let mut query = conn.prepare_cached(sql)?;
    let rows = query.query_map([], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// No sign of life: `offline`, or `awaiting_agent` for an external agent, in one conditional write (S109), with its
/// event. A launch that is under way has its own deadline, and one that failed keeps its reason: both are left alone.
///
/// # Errors
/// When the rows cannot be written.
pub fn liveness_lost(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<bool> {
    let runtime: Option<String> = tx
        .prepare_cached("SELECT runtime FROM workspaces WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    let Some(runtime) = runtime else { return Ok(false) };
    let trigger = if runtime == runtime::EXTERNAL { Trigger::ExternalStale } else { Trigger::LivenessLost };
    let (from, _) = trigger.edges();
    let from: Vec<Status> =
        from.iter().copied().filter(|status| !matches!(status, Status::Provisioning | Status::Failed)).collect();
    let moved = workspaces::transition_only_from(tx, id, trigger, &from)?.is_some();
    if moved {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

/// An external agent is silent: `awaiting_agent`, only while it still is (10 §18.4).
///
/// # Errors
/// When the rows cannot be written.
pub fn external_stale(tx: &mut Tx<'_>, id: WorkspaceId, cutoff: Timestamp) -> Result<bool> {
    let silent: bool = tx
        .prepare_cached("SELECT coalesce(last_heartbeat_at, updated_at) < ?2 FROM workspaces WHERE id = ?1")?
        .query_row(params![id.to_string(), cutoff.to_string()], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    let moved = silent
        && workspaces::transition_only_from(tx, id, Trigger::ExternalStale, &[Status::Online, Status::Degraded])?
            .is_some();
    if moved {
        tx.record(EventKind::WorkspaceOffline, id, json!({}))?;
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use molecule_model::{Status, Trigger, WorkspaceId, wire::DeliveryMode};

    use super::{
        Beat, Beaten, Registered, Registration, beat, external_stale, liveness_lost, peers, register, silent_externals,
        standing,
    };
    use crate::{
        Result, Tx, outbox,
        testing::{new_workspace, open},
        tokens::{self, NewToken},
        workspaces,
    };

    fn registration(id: WorkspaceId) -> Registration {
        Registration {
            id,
            url: "http://127.0.0.1:9000".into(),
            card: r#"{"name":"Echo"}"#.into(),
            mode: DeliveryMode::Push,
            proven: false,
            may_create: false,
            token: NewToken { id: molecule_model::id::fresh(), hash: [7; 32], prefix: "abcdefgh".into(), url: false },
        }
    }

    fn sign(id: WorkspaceId) -> Beat {
        Beat {
            id,
            proven: true,
            error_rate: 0.0,
            sample_error: String::new(),
            active_tasks: 0,
            uptime_seconds: Some(10),
            current_task: String::new(),
            monthly_spend: 0,
            runtime_state: String::new(),
            native_status: false,
        }
    }

    fn kinds(tx: &Tx<'_>) -> Result<Vec<String>> {
        Ok(outbox::since(tx, 0, 100)?.into_iter().map(|event| event.event_type).collect())
    }

    #[tokio::test]
    async fn o3_a_tombstone_stays_one_and_a_stranger_needs_leave() {
        let (store, _dir) = open();
        let (gone, stranger) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, gone, "A", None)?;
                workspaces::transition(tx, gone, Trigger::Remove)?;
                assert_eq!(register(tx, &registration(gone))?, Registered::Removed);
                assert_eq!(beat(tx, &sign(gone))?, Beaten::Nobody { removed: true });
                assert_eq!(register(tx, &registration(stranger))?, Registered::Unknown);
                assert!(kinds(tx)?.is_empty());
                let welcome = Registration { may_create: true, ..registration(stranger) };
                assert_eq!(register(tx, &welcome)?, Registered::Done { issued: true });
                assert_eq!(kinds(tx)?, ["WORKSPACE_PROVISIONING", "WORKSPACE_ONLINE", "AGENT_CARD_UPDATED"]);
                // The second caller without a credential comes too late.
                assert_eq!(register(tx, &welcome)?, Registered::Taken);
                let proven = Registration { proven: true, ..registration(stranger) };
                assert_eq!(register(tx, &proven)?, Registered::Done { issued: false });
                assert_eq!(kinds(tx)?.len(), 4, "an unchanged card is no news (R-93)");
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn r34_the_address_of_a_launched_agent_is_ours() {
        let (store, _dir) = open();
        let id = WorkspaceId::random();
        store
            .write(move |tx| {
                new_workspace(tx, id, "A", None)?;
                crate::lifecycle::launched(tx, id, "http://127.0.0.1:4000")?;
                let lie = Registration { url: "http://169.254.169.254/".into(), ..registration(id) };
                register(tx, &lie)?;
                let row = workspaces::get(tx, id)?.unwrap();
                assert_eq!(row.url.as_deref(), Some("http://127.0.0.1:4000"));
                let reported: String = tx.query_row("SELECT reported_url FROM workspaces", [], |row| row.get(0))?;
                assert_eq!(reported, "http://169.254.169.254/");
                Ok(())
            })
            .await
            .unwrap();
    }

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
                assert_eq!(beat(tx, &aside)?, Beaten::Alive { side: true, uptime_seconds: 400 });
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
                    Beaten::Alive { side: false, uptime_seconds: 400 }
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

    #[tokio::test]
    async fn s109_silence_means_awaiting_for_external_and_offline_for_the_rest() {
        let (store, _dir) = open();
        let (ours, theirs) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, ours, "A", None)?;
                assert!(!liveness_lost(tx, ours)?, "a launch under way has its own deadline");
                workspaces::transition(tx, ours, Trigger::LaunchFailed)?;
                assert!(!liveness_lost(tx, ours)?, "a failed launch keeps its reason");
                register(tx, &registration(ours))?;
                let stranger = Registration {
                    may_create: true,
                    token: NewToken { hash: [8; 32], ..registration(theirs).token },
                    ..registration(theirs)
                };
                register(tx, &stranger)?;
                let later = tx.now().plus_seconds(90);
                assert_eq!(silent_externals(tx, later)?, [theirs]);
                assert!(!external_stale(tx, theirs, tx.now())?, "it beat meanwhile");
                assert!(external_stale(tx, theirs, later)?);
                assert!(liveness_lost(tx, ours)?);
                let status = |id| Ok::<_, crate::Error>(workspaces::get(tx, id)?.unwrap().status);
                assert_eq!((status(ours)?, status(theirs)?), (Status::Offline, Status::AwaitingAgent));
                Ok(())
            })
            .await
            .unwrap();
    }
}
