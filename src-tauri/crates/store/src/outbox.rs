//! The event outbox: recorded events, and mirrors of activity rows (10 §14, R-20).

use molecule_model::{
    Timestamp, WorkspaceId,
    event::{Envelope, EventKind, Payload},
    id,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Error, Result, Tx};

/// An event on its way into the outbox.
#[derive(Clone, Debug)]
pub struct NewEvent {
    kind: EventKind,
    workspace: Option<WorkspaceId>,
    payload: Payload,
    recorded: bool,
    stored: bool,
    activity_seq: Option<i64>,
}

impl NewEvent {
    /// An event that `GET /events` lists and that stays.
    #[must_use]
    pub fn recorded(kind: EventKind, workspace: Option<WorkspaceId>, payload: impl Into<Payload>) -> Self {
        Self { kind, workspace, payload: payload.into(), recorded: true, stored: true, activity_seq: None }
    }

    /// An event that mirrors a stored activity row: numbered for resume, its body not stored twice.
    #[must_use]
    pub const fn mirror(kind: EventKind, workspace: WorkspaceId, payload: Payload, activity_seq: i64) -> Self {
        Self {
            kind,
            workspace: Some(workspace),
            payload,
            recorded: false,
            stored: false,
            activity_seq: Some(activity_seq),
        }
    }

    /// A broadcast event with a number and a small body of its own, e.g. `TASK_UPDATED`; not listed.
    #[must_use]
    pub fn numbered(kind: EventKind, workspace: Option<WorkspaceId>, payload: impl Into<Payload>) -> Self {
        Self { kind, workspace, payload: payload.into(), recorded: false, stored: true, activity_seq: None }
    }
}

/// An event that is on disk.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its number.
    pub seq: i64,
    /// Its kind.
    pub kind: EventKind,
    /// The workspace it is about.
    pub workspace: Option<WorkspaceId>,
    /// When.
    pub at: Timestamp,
    /// Its fields.
    pub payload: Payload,
}

impl Committed {
    /// As it goes over the wire.
    #[must_use]
    pub fn into_envelope(self) -> Envelope {
        let mut envelope = Envelope::ephemeral(self.kind, self.workspace, self.at, self.payload);
        envelope.seq = Some(self.seq);
        envelope
    }
}

pub(crate) fn insert(conn: &Connection, now: Timestamp, event: NewEvent) -> Result<Committed> {
    let payload = event.stored.then(|| event.payload.as_str());
    conn.prepare_cached(
        "INSERT INTO structure_events (id, event_type, workspace_id, recorded, payload, activity_seq, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        event.recorded.then(id::appended),
        event.kind.as_str(),
        event.workspace.map(|id| id.to_string()),
        event.recorded,
        payload,
        event.activity_seq,
        now.to_string()
    ])?;
    Ok(Committed {
        seq: conn.last_insert_rowid(),
        kind: event.kind,
        workspace: event.workspace,
        at: now,
        payload: event.payload,
    })
}

/// The number of the newest event, 0 when there was none.
///
/// # Errors
/// When the table cannot be read.
pub fn last_seq(conn: &Connection) -> Result<i64> {
    let last: i64 = conn.query_row("SELECT coalesce(max(seq), 0) FROM structure_events", [], |row| row.get(0))?;
    Ok(last.max(pruned_to(conn)?))
}

/// Events up to this number may be gone: whoever stopped before it cannot resume exactly. 0: none is.
///
/// # Errors
/// When the table cannot be read.
pub fn pruned_to(conn: &Connection) -> Result<i64> {
    let mut query = conn.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let text: Option<String> = query.query_row([PRUNED], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The row of `meta` that says how far the outbox was pruned.
const PRUNED: &str = "outbox_pruned_to";

/// The numbers of mirrored events older than `cutoff`, the oldest first and at most `most`. Times follow numbers; where
/// a clock was set back, what comes after is kept a little longer.
///
/// # Errors
/// When the table cannot be read.
pub fn old(conn: &Connection, cutoff: Timestamp, most: usize) -> Result<Vec<i64>> {
    let mut query = conn.prepare_cached(
        "SELECT seq, created_at FROM structure_events WHERE seq > ?1 AND recorded = 0 ORDER BY seq LIMIT ?2",
    )?;
    let cutoff = cutoff.to_string();
    let mut rows = query.query(params![pruned_to(conn)?, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()?
        && row.get_ref("created_at")?.as_str().is_ok_and(|at| at < cutoff.as_str())
    {
        found.push(row.get("seq")?);
    }
    Ok(found)
}

/// Deletes mirrored events older than `cutoff`, the oldest first and at most `most`; recorded ones stay (10 §20.7,
/// Answers how many that were.
///
/// # Errors
/// When the rows cannot be written.
pub fn prune(tx: &mut Tx<'_>, cutoff: Timestamp, most: usize) -> Result<usize> {
    let old = old(tx, cutoff, most)?;
    let Some(last) = old.last() else { return Ok(0) };
    let mut delete = tx.prepare_cached("DELETE FROM structure_events WHERE seq = ?1")?;
    for seq in &old {
        delete.execute([seq])?;
    }
    let mark = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    tx.prepare_cached(mark)?.execute(params![PRUNED, last.to_string()])?;
    Ok(old.len())
}

/// A row of the outbox; `payload` is `None` where it must be built from the activity row `activity_seq`.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number.
    pub seq: i64,
    /// Its id; only recorded ones have one.
    pub id: Option<String>,
    /// Its name on the wire.
    pub event_type: String,
    /// The workspace it is about.
    pub workspace_id: Option<String>,
    /// Its fields, where stored.
    pub payload: Option<Payload>,
    /// The activity row it mirrors.
    pub activity_seq: Option<i64>,
    /// When.
    pub created_at: Timestamp,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<(Stored, String)> {
    let payload: Option<String> = row.get("payload")?;
    let at: String = row.get("created_at")?;
    Ok((
        Stored {
            seq: row.get("seq")?,
            id: row.get("id")?,
            event_type: row.get("event_type")?,
            workspace_id: row.get("workspace_id")?,
            payload: payload.and_then(Payload::parse),
            activity_seq: row.get("activity_seq")?,
            created_at: Timestamp::from_micros(0),
        },
        at,
    ))
}

fn collect(rows: impl Iterator<Item = rusqlite::Result<(Stored, String)>>) -> Result<Vec<Stored>> {
    rows.map(|row| {
        let (mut stored, at) = row?;
        stored.created_at = at.parse().map_err(|_| Error::Stored { what: "event time" })?;
        Ok(stored)
    })
    .collect()
}

/// What came after event number `since`, oldest first, at most `limit` rows.
///
/// # Errors
/// When the table cannot be read.
pub fn since(conn: &Connection, since: i64, limit: usize) -> Result<Vec<Stored>> {
    let mut query = conn.prepare_cached(
        "SELECT seq, id, event_type, workspace_id, payload, activity_seq, created_at
         FROM structure_events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    collect(query.query_map(params![since, i64::try_from(limit).unwrap_or(i64::MAX)], stored)?)
}

/// The newest recorded events, of one workspace or of all, newest first (10 §14.4).
///
/// # Errors
/// When the table cannot be read.
pub fn newest(conn: &Connection, workspace: Option<&str>, limit: usize) -> Result<Vec<Stored>> {
    let mut query = conn.prepare_cached(
        "SELECT seq, id, event_type, workspace_id, payload, activity_seq, created_at FROM structure_events
         WHERE recorded = 1 AND (?1 IS NULL OR workspace_id = ?1) ORDER BY seq DESC LIMIT ?2",
    )?;
    collect(query.query_map(params![workspace, i64::try_from(limit).unwrap_or(i64::MAX)], stored)?)
}
