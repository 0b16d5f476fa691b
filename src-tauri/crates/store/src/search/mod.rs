//! Finding text in one workspace's log and memories (10 §12.4): any case, anywhere in a column, `%` and `_` as wildcards.
//!
//! Every answer is checked against the rows themselves. The [`Index`] only names rows that may fit, newest first, so
//! that a rare word is found in a million rows without reading them. It is fed behind the writer's back; rows that it
//! has not seen yet, or not as they are now, are read one by one.

mod index;
mod pattern;

use std::collections::BTreeSet;

pub use index::{Fed, Index};
use molecule_model::{Timestamp, WorkspaceId};
pub use pattern::Pattern;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::value::RawValue;

use crate::{Result, workspaces::parsed};

/// Rows that the index names at a time.
const PAGE: usize = 256;
/// Rows that are read before the index is asked for one or two characters: most such texts are found there.
const READ_FIRST: i64 = if cfg!(test) { 3 } else { 2_000 };

/// Something that was found.
#[derive(Debug)]
pub struct Hit {
    /// Whether it is a memory; else it is a row of the log.
    pub memory: bool,
    /// Its id.
    pub id: String,
    /// Type of the activity, or scope of the memory.
    pub label: String,
    /// Summary of the activity, or the remembered text.
    pub content: Option<String>,
    /// E.g. `message/send`; none for memories.
    pub method: Option<String>,
    /// E.g. `ok`; none for memories.
    pub status: Option<String>,
    /// Who asked; none for memories.
    pub source_id: Option<String>,
    /// Who was asked; none for memories.
    pub target_id: Option<String>,
    /// Why it failed.
    pub error_detail: Option<String>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// When.
    pub created_at: Timestamp,
    /// The envelope as it was forwarded.
    pub request_body: Option<Box<RawValue>>,
    /// The answer.
    pub response_body: Option<Box<RawValue>>,
}

const COLUMNS: &str =
    "seq, id, activity_type, summary, method, status, source_id, target_id, error_detail, duration_ms,
    created_at, request_body, response_body";

/// The newest of what fits, at most `limit`.
///
/// # Errors
/// When the tables cannot be read.
pub fn search(
    conn: &Connection,
    index: Option<&Index>,
    workspace: WorkspaceId,
    pattern: &Pattern,
    limit: usize,
) -> Result<Vec<Hit>> {
    // One view of the log for all of it; the index is looked at afterwards and so knows no less.
    let _view = conn.unchecked_transaction()?;
    let mut hits = activities(conn, index, workspace, pattern, limit)?;
    hits.extend(memories(conn, workspace, pattern, limit)?);
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.created_at));
    hits.truncate(limit);
    Ok(hits)
}

fn activities(
    conn: &Connection,
    index: Option<&Index>,
    workspace: WorkspaceId,
    pattern: &Pattern,
    limit: usize,
) -> Result<Vec<Hit>> {
    let mut changed = changed(conn, workspace)?;
    let known = match index {
        Some(index) => index.scope(workspace)?.map(|scope| (index, scope)),
        None => None,
    };
    let Some((index, scope)) = known else { return read_through(conn, workspace, pattern, limit, None, 0) };
    let first = if pattern.trigrams().is_empty() { newest_but(conn, workspace, READ_FIRST)? } else { scope.upto };
    let upto = scope.upto.min(first);
    let mut hits = read_through(conn, workspace, pattern, limit, None, upto)?;
    if hits.len() == limit || upto == 0 {
        return Ok(hits);
    }
    let Some(wanted) = index.wanted(pattern)? else {
        hits.extend(read_through(conn, workspace, pattern, limit - hits.len(), Some(upto), 0)?);
        return Ok(hits);
    };
    let mut one =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM activity_logs WHERE seq = ?1 AND workspace_id = ?2"))?;
    let mut below = upto.saturating_add(1);
    while hits.len() < limit && below > 0 {
        let named = index.named(&scope, &wanted, below, PAGE)?;
        let from = if named.len() < PAGE { 0 } else { named.iter().next().copied().unwrap_or(0) };
        let mut rows: BTreeSet<i64> = changed.split_off(&from);
        rows.retain(|seq| *seq < below);
        rows.extend(named);
        for seq in rows.into_iter().rev() {
            let mut found = one.query(params![seq, workspace.to_string()])?;
            if let Some(row) = found.next()?
                && fits(row, pattern)?
            {
                hits.push(hit(row)?);
                if hits.len() == limit {
                    break;
                }
            }
        }
        below = from;
    }
    Ok(hits)
}

/// Rows that the index may not know as they are now.
fn changed(conn: &Connection, workspace: WorkspaceId) -> Result<BTreeSet<i64>> {
    let mut query = conn.prepare_cached("SELECT seq FROM activity_changed WHERE workspace_id = ?1")?;
    let rows = query.query_map([workspace.to_string()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The number of the row that so many newer ones follow; 0 where there are none.
fn newest_but(conn: &Connection, workspace: WorkspaceId, count: i64) -> Result<i64> {
    let mut query = conn
        .prepare_cached("SELECT seq FROM activity_logs WHERE workspace_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2")?;
    Ok(query.query_row(params![workspace.to_string(), count], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Reads the rows after `after` and up to `upto` one by one, newest first.
fn read_through(
    conn: &Connection,
    workspace: WorkspaceId,
    pattern: &Pattern,
    limit: usize,
    upto: Option<i64>,
    after: i64,
) -> Result<Vec<Hit>> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM activity_logs WHERE workspace_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq DESC"
    ))?;
    let mut rows = query.query(params![workspace.to_string(), after, upto.unwrap_or(i64::MAX)])?;
    let mut hits = Vec::new();
    while hits.len() < limit
        && let Some(row) = rows.next()?
    {
        if fits(row, pattern)? {
            hits.push(hit(row)?);
        }
    }
    Ok(hits)
}

fn text<'a>(row: &'a Row<'_>, column: &str) -> Result<Option<&'a str>> {
    // What is no text has nothing to find.
    Ok(row.get_ref(column)?.as_str_or_null().unwrap_or_default())
}

fn fits(row: &Row<'_>, pattern: &Pattern) -> Result<bool> {
    for column in ["summary", "activity_type", "method", "status"] {
        if text(row, column)?.is_some_and(|text| pattern.fits(text)) {
            return Ok(true);
        }
    }
    for column in ["request_body", "response_body"] {
        if text(row, column)?.is_some_and(|body| pattern.fits(&pattern::readable(body))) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hit(row: &Row<'_>) -> Result<Hit> {
    let body = |column| {
        Ok::<_, rusqlite::Error>(
            row.get::<_, Option<String>>(column)?.and_then(|text| RawValue::from_string(text).ok()),
        )
    };
    Ok(Hit {
        memory: false,
        id: row.get("id")?,
        label: row.get("activity_type")?,
        content: row.get("summary")?,
        method: row.get("method")?,
        status: row.get("status")?,
        source_id: row.get("source_id")?,
        target_id: row.get("target_id")?,
        error_detail: row.get("error_detail")?,
        duration_ms: row.get("duration_ms")?,
        created_at: parsed(row, "created_at")?,
        request_body: body("request_body")?,
        response_body: body("response_body")?,
    })
}

fn memories(conn: &Connection, workspace: WorkspaceId, pattern: &Pattern, limit: usize) -> Result<Vec<Hit>> {
    let mut query = conn.prepare_cached(
        "SELECT id, scope, content, created_at FROM agent_memories WHERE workspace_id = ?1 ORDER BY seq DESC",
    )?;
    let mut rows = query.query([workspace.to_string()])?;
    let mut hits = Vec::new();
    while hits.len() < limit
        && let Some(row) = rows.next()?
    {
        let said = [text(row, "content")?, text(row, "scope")?];
        if said.into_iter().flatten().any(|text| pattern.fits(text)) {
            hits.push(Hit {
                memory: true,
                id: row.get("id")?,
                label: row.get("scope")?,
                content: row.get("content")?,
                method: None,
                status: None,
                source_id: None,
                target_id: None,
                error_detail: None,
                duration_ms: None,
                created_at: parsed(row, "created_at")?,
                request_body: None,
                response_body: None,
            });
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests;
