//! The activity log: what agents were asked, answered and reported (10 §12, §20.5). Append-only; `seq` is the
//! order and the cursor, times are for people (R-2, O-18).

use molecule_model::{Timestamp, WorkspaceId, id};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use serde_json::value::RawValue;

use crate::{Result, Tx, workspaces::parsed};

/// What an agent may report as `activity_type` (10 §12.1).
pub const REPORTABLE: [&str; 7] =
    ["a2a_send", "a2a_receive", "task_update", "agent_log", "skill_promotion", "memory_write", "error"];

/// What `status` may be (10 §20.5, R-17).
pub const STATUSES: [&str; 10] =
    ["ok", "error", "timeout", "skipped", "pending", "dispatched", "queued", "completed", "failed", "stale"];

/// A row on its way into the log. Bodies are JSON text; what is no JSON is kept as a JSON string.
#[derive(Clone, Debug)]
pub struct NewActivity {
    /// Its id on the wire.
    pub id: String,
    /// Whose log.
    pub workspace: WorkspaceId,
    /// E.g. `a2a_receive`.
    pub kind: &'static str,
    /// Who asked: a workspace, a system caller, or nobody (the person).
    pub source_id: Option<String>,
    /// Who was asked.
    pub target_id: Option<String>,
    /// E.g. `message/send`.
    pub method: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// The envelope as it was forwarded.
    pub request_body: Option<String>,
    /// The answer.
    pub response_body: Option<String>,
    /// What tools the agent used.
    pub tool_trace: Option<String>,
    /// How long the answer took; none for what was only accepted.
    pub duration_ms: Option<i64>,
    /// One of [`STATUSES`].
    pub status: &'static str,
    /// Why it failed, for people.
    pub error_detail: Option<String>,
    /// Unique in this workspace's log while set.
    pub idempotency_key: Option<String>,
}

impl NewActivity {
    /// A row of `kind` with nothing else said.
    #[must_use]
    pub fn new(workspace: WorkspaceId, kind: &'static str) -> Self {
        Self {
            id: id::appended(),
            workspace,
            kind,
            source_id: None,
            target_id: None,
            method: None,
            summary: None,
            request_body: None,
            response_body: None,
            tool_trace: None,
            duration_ms: None,
            status: "ok",
            error_detail: None,
            idempotency_key: None,
        }
    }
}

/// Appends a row and answers its `seq`.
///
/// # Errors
/// When a constraint refuses, e.g. an unknown workspace or a taken idempotency key.
pub fn insert(tx: &mut Tx<'_>, new: &NewActivity) -> Result<i64> {
    let now = tx.now().to_string();
    let workspace = new.workspace.to_string();
    let values = params![
        new.id,
        workspace,
        new.kind,
        new.source_id,
        new.target_id,
        new.method,
        new.summary,
        new.request_body,
        new.response_body,
        new.tool_trace,
        new.duration_ms,
        new.status,
        new.error_detail,
        new.idempotency_key,
        now,
    ];
    match tx.prepare_cached(INSERT)?.execute(values) {
        // SQLite's own parser is the stricter one (depth): what the table's check refuses is kept as a string.
        Err(error) if is_check(&error) => tx.prepare_cached(INSERT_QUOTED)?.execute(values)?,
        written => written?,
    };
    Ok(tx.last_insert_rowid())
}

fn is_check(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_CHECK)
}

const INSERT: &str =
    "INSERT INTO activity_logs (id, workspace_id, activity_type, source_id, target_id, method, summary,
         request_body, response_body, tool_trace, duration_ms, status, error_detail, idempotency_key, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

const INSERT_QUOTED: &str =
    "INSERT INTO activity_logs (id, workspace_id, activity_type, source_id, target_id, method, summary, request_body,
             response_body, tool_trace, duration_ms, status, error_detail, idempotency_key, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,
             CASE WHEN ?8 IS NULL OR json_valid(?8) THEN ?8 ELSE json_quote(?8) END,
             CASE WHEN ?9 IS NULL OR json_valid(?9) THEN ?9 ELSE json_quote(?9) END,
             CASE WHEN ?10 IS NULL OR json_valid(?10) THEN ?10 ELSE json_quote(?10) END,
             ?11, ?12, ?13, ?14, ?15)";

/// A row as stored.
#[derive(Debug)]
pub struct Activity {
    /// Its place in the log.
    pub seq: i64,
    /// Its id on the wire.
    pub id: String,
    /// Whose log.
    pub workspace_id: WorkspaceId,
    /// E.g. `a2a_receive`.
    pub activity_type: String,
    /// Who asked.
    pub source_id: Option<String>,
    /// Who was asked.
    pub target_id: Option<String>,
    /// E.g. `message/send`.
    pub method: Option<String>,
    /// One line for people.
    pub summary: Option<String>,
    /// The envelope as it was forwarded.
    pub request_body: Option<Box<RawValue>>,
    /// The answer.
    pub response_body: Option<Box<RawValue>>,
    /// What tools the agent used.
    pub tool_trace: Option<Box<RawValue>>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// One of [`STATUSES`].
    pub status: String,
    /// Why it failed.
    pub error_detail: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// The name of the workspace that `source_id` names, where there is one.
    pub peer_name: Option<String>,
    /// Its role.
    pub peer_role: Option<String>,
}

const COLUMNS: &str = "a.seq, a.id, a.workspace_id, a.activity_type, a.source_id, a.target_id, a.method, a.summary,
    a.request_body, a.response_body, a.tool_trace, a.duration_ms, a.status, a.error_detail, a.created_at,
    p.name AS peer_name, p.role AS peer_role";
const JOINED: &str = "activity_logs a LEFT JOIN workspaces p ON p.id = a.source_id";

fn raw(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Box<RawValue>>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| RawValue::from_string(text).ok()))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Activity> {
    Ok(Activity {
        seq: row.get("seq")?,
        id: row.get("id")?,
        workspace_id: parsed(row, "workspace_id")?,
        activity_type: row.get("activity_type")?,
        source_id: row.get("source_id")?,
        target_id: row.get("target_id")?,
        method: row.get("method")?,
        summary: row.get("summary")?,
        request_body: raw(row, "request_body")?,
        response_body: raw(row, "response_body")?,
        tool_trace: raw(row, "tool_trace")?,
        duration_ms: row.get("duration_ms")?,
        status: row.get("status")?,
        error_detail: row.get("error_detail")?,
        created_at: parsed(row, "created_at")?,
        peer_name: row.get("peer_name")?,
        peer_role: row.get("peer_role")?,
    })
}

/// Who asked (10 §12.3 `source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The person: no `source_id`.
    Canvas,
    /// An agent or a system caller.
    Agent,
}

/// Which rows; everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Exact `activity_type`.
    pub kind: Option<String>,
    /// Who asked.
    pub source: Option<Source>,
    /// Strictly after this `seq`.
    pub after_seq: Option<i64>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Strictly before this time.
    pub before: Option<Timestamp>,
    /// `source_id` or `target_id` is this peer.
    pub peer: Option<WorkspaceId>,
    /// At most so many.
    pub limit: usize,
    /// Oldest first; the page then holds the oldest rows.
    pub ascending: bool,
}

/// The rows of one workspace's log that `filter` names.
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection, workspace: WorkspaceId, filter: &Filter) -> Result<Vec<Activity>> {
    let mut sql = format!("SELECT {COLUMNS} FROM {JOINED} WHERE a.workspace_id = ?");
    let mut values = vec![Value::Text(workspace.to_string())];
    if let Some(kind) = &filter.kind {
        sql.push_str(" AND a.activity_type = ?");
        values.push(Value::Text(kind.clone()));
    }
    match filter.source {
        Some(Source::Canvas) => sql.push_str(" AND a.source_id IS NULL"),
        Some(Source::Agent) => sql.push_str(" AND a.source_id IS NOT NULL"),
        None => {}
    }
    if let Some(seq) = filter.after_seq {
        sql.push_str(" AND a.seq > ?");
        values.push(Value::Integer(seq));
    }
    if let Some(since) = filter.since {
        sql.push_str(" AND a.created_at >= ?");
        values.push(Value::Text(since.to_string()));
    }
    if let Some(before) = filter.before {
        sql.push_str(" AND a.created_at < ?");
        values.push(Value::Text(before.to_string()));
    }
    if let Some(peer) = filter.peer {
        sql.push_str(" AND (a.source_id = ? OR a.target_id = ?)");
        values.extend([Value::Text(peer.to_string()), Value::Text(peer.to_string())]);
    }
    sql.push_str(if filter.ascending { " ORDER BY a.seq LIMIT ?" } else { " ORDER BY a.seq DESC LIMIT ?" });
    values.push(Value::Integer(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
    let mut query = conn.prepare_cached(&sql)?;
    let rows = query.query_map(params_from_iter(values), from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest rows of every workspace, newest first, before `before_seq` where given.
///
/// # Errors
/// When the table cannot be read.
pub fn newest(conn: &Connection, before_seq: Option<i64>, limit: usize) -> Result<Vec<Activity>> {
    let sql = format!("SELECT {COLUMNS} FROM {JOINED} WHERE a.seq < ?1 ORDER BY a.seq DESC LIMIT ?2");
    let mut query = conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_map(params![before_seq.unwrap_or(i64::MAX), limit], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The `seq` of a row of this workspace's log; a foreign, pruned or unknown id is `None` (S162).
///
/// # Errors
/// When the table cannot be read.
pub fn seq_of(conn: &Connection, workspace: WorkspaceId, id: &str) -> Result<Option<i64>> {
    let mut query = conn.prepare_cached("SELECT seq FROM activity_logs WHERE id = ?1 AND workspace_id = ?2")?;
    Ok(query.query_row(params![id, workspace.to_string()], |row| row.get(0)).optional()?)
}

/// One row by its `seq`.
///
/// # Errors
/// When the table cannot be read.
pub fn by_seq(conn: &Connection, seq: i64) -> Result<Option<Activity>> {
    let mut query = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {JOINED} WHERE a.seq = ?1"))?;
    Ok(query.query_row([seq], from_row).optional()?)
}

/// Rows from a clock that ran ahead that are looked past.
const AHEAD: usize = 10_000;

/// Deletes rows older than `cutoff`, the oldest first and about `most`; answers how many that were. Times follow
/// numbers; where a clock was set back, what comes after is kept a little longer, and where it once ran ahead, what
/// that left goes with the old rows behind it.
///
/// # Errors
/// When the rows cannot be written.
pub fn prune(tx: &mut Tx<'_>, cutoff: Timestamp, most: usize) -> Result<usize> {
    let (cutoff, now) = (cutoff.to_string(), tx.now().to_string());
    let (mut old, mut ahead) = (Vec::new(), Vec::new());
    {
        let mut query = tx.prepare_cached("SELECT seq, created_at FROM activity_logs ORDER BY seq")?;
        let mut rows = query.query([])?;
        while old.len() < most
            && ahead.len() < AHEAD
            && let Some(row) = rows.next()?
        {
            let (seq, at): (i64, String) = (row.get("seq")?, row.get("created_at")?);
            if at > now {
                ahead.push(seq);
            } else if at < cutoff {
                old.append(&mut ahead);
                old.push(seq);
            } else {
                break;
            }
        }
    }
    let mut delete = tx.prepare_cached("DELETE FROM activity_logs WHERE seq = ?1")?;
    for seq in &old {
        delete.execute([seq])?;
    }
    Ok(old.len())
}

/// Forgets the changes up to `upto`, which the search index has taken in.
///
/// # Errors
/// When the rows cannot be written.
pub fn forget_changes(tx: &mut Tx<'_>, upto: i64) -> Result<()> {
    tx.prepare_cached("DELETE FROM activity_changed WHERE change <= ?1")?.execute([upto])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Filter, NewActivity, Source, by_seq, insert, list, newest, prune, seq_of};
    use crate::testing::{new_workspace, open};

    fn row(id: WorkspaceId, source: Option<WorkspaceId>) -> NewActivity {
        let mut row = NewActivity::new(id, "a2a_receive");
        row.source_id = source.map(|id| id.to_string());
        row.target_id = Some(id.to_string());
        row
    }

    #[tokio::test]
    async fn s159_s161_s163_filters_cursors_and_order() {
        let (store, _dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        let rows: Vec<NewActivity> = vec![row(a, None), row(a, Some(b)), row(b, None), row(a, Some(b)), row(a, None)];
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", None)?;
                rows.iter().try_for_each(|row| insert(tx, row).map(drop))
            })
            .await
            .unwrap();
        let ask = |filter: Filter| {
            let store = store.clone();
            async move {
                store
                    .read(move |conn| Ok(list(conn, a, &filter)?.into_iter().map(|row| row.id).collect::<Vec<_>>()))
                    .await
                    .unwrap()
            }
        };
        let all = Filter { limit: 10, ..Filter::default() };
        assert_eq!(ask(all.clone()).await, [ids[4].as_str(), ids[3].as_str(), ids[1].as_str(), ids[0].as_str()]);
        assert_eq!(ask(Filter { limit: 2, ..all.clone() }).await, [ids[4].as_str(), ids[3].as_str()]);
        assert_eq!(
            ask(Filter { source: Some(Source::Canvas), ..all.clone() }).await,
            [ids[4].as_str(), ids[0].as_str()]
        );
        assert_eq!(
            ask(Filter { source: Some(Source::Agent), ..all.clone() }).await,
            [ids[3].as_str(), ids[1].as_str()]
        );
        assert_eq!(ask(Filter { peer: Some(b), ..all.clone() }).await, [ids[3].as_str(), ids[1].as_str()]);
        // The cursor is the row's place, not its time: all five rows share one transaction and so one time (O-18).
        let (first, foreign) = (ids[0].clone(), ids[2].clone());
        let after = store.read(move |conn| seq_of(conn, a, &first)).await.unwrap();
        let cursor = Filter { after_seq: after, ascending: true, ..all.clone() };
        assert_eq!(ask(cursor.clone()).await, [ids[1].as_str(), ids[3].as_str(), ids[4].as_str()]);
        assert_eq!(ask(Filter { limit: 1, ..cursor }).await, [ids[1].as_str()]);
        assert_eq!(store.read(move |conn| seq_of(conn, a, &foreign)).await.unwrap(), None);
        let every = store.read(|conn| newest(conn, None, 10)).await.unwrap();
        assert_eq!(
            every.iter().map(|row| row.id.clone()).collect::<Vec<_>>(),
            ids.iter().rev().cloned().collect::<Vec<_>>()
        );
        let before = every[1].seq;
        assert_eq!(store.read(move |conn| newest(conn, Some(before), 1)).await.unwrap()[0].id, every[2].id);
    }

    /// A clock that was set back keeps rows a little longer; one that once ran ahead keeps none for ever.
    #[tokio::test]
    async fn s165_old_rows_go_in_their_order_whatever_the_clock_did() {
        let (store, _dir) = open();
        let a = WorkspaceId::random();
        let left = store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                let now = tx.now();
                let days = |days: i64| now.plus_seconds(days * 86_400);
                for at in [days(400), days(-9), days(-8), days(-1), days(-9), days(500)] {
                    let seq = insert(tx, &row(a, None))?;
                    tx.execute("UPDATE activity_logs SET created_at = ?2 WHERE seq = ?1", (seq, at.to_string()))?;
                }
                assert_eq!(prune(tx, days(-7), 1)?, 2, "what ran ahead goes with the first that is old");
                assert_eq!(prune(tx, days(-7), 9)?, 1);
                assert_eq!(prune(tx, days(-7), 9)?, 0, "a row that is young ends it");
                let mut query = tx.prepare("SELECT seq FROM activity_logs ORDER BY seq")?;
                Ok(query.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?)
            })
            .await
            .unwrap();
        assert_eq!(left, [4, 5, 6]);
    }

    #[tokio::test]
    async fn bodies_that_are_no_json_are_kept_as_text() {
        let (store, _dir) = open();
        let a = WorkspaceId::random();
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for (given, want) in [
            ("<html>", "\"<html>\"".to_owned()),
            (&deep, format!("\"{deep}\"")),
            ("{\"a\": 1}", "{\"a\": 1}".to_owned()),
        ] {
            let mut new = row(a, None);
            new.response_body = Some(given.to_owned());
            let seq = store
                .write(move |tx| {
                    if crate::workspaces::get(tx, a)?.is_none() {
                        new_workspace(tx, a, "A", None)?;
                    }
                    insert(tx, &new)
                })
                .await
                .unwrap();
            let got = store.read(move |conn| by_seq(conn, seq)).await.unwrap().unwrap();
            assert_eq!(got.response_body.unwrap().get(), want);
        }
    }
}
