//! The workspaces: rows, lineage, and the one way to write a status.

use std::collections::HashSet;

use molecule_model::{
    Status, Timestamp, Trigger, WorkspaceId,
    access::{Lineage, MAX_DEPTH},
    wire::{DeliveryMode, WorkspaceAccess},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::value::RawValue;

use crate::{Error, Result, Tx};

/// A row with its place on the canvas.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name; not unique.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// 1 to 4 (20 §0.2).
    pub tier: i64,
    /// Its status.
    pub status: Status,
    /// What its agent runs on, as stored (not coerced).
    pub runtime: String,
    /// How messages reach it.
    pub delivery_mode: DeliveryMode,
    /// Its parent.
    pub parent_id: Option<WorkspaceId>,
    /// The template it was made from.
    pub template: Option<String>,
    /// The card, as the agent sent it.
    pub agent_card: Option<String>,
    /// Where its agent answers; `None` or empty when nobody does.
    pub url: Option<String>,
    /// `workspace:<id>`.
    pub awareness_namespace: Option<String>,
    /// The folder the person gave it.
    pub workspace_dir: Option<String>,
    /// What it may do there.
    pub workspace_access: WorkspaceAccess,
    /// The last sign of life.
    pub last_heartbeat_at: Option<Timestamp>,
    /// The last message it sent.
    pub last_outbound_at: Option<Timestamp>,
    /// 0 to 1.
    pub last_error_rate: f64,
    /// Why it is degraded or failed.
    pub last_sample_error: Option<String>,
    /// What it says it works on.
    pub current_task: Option<String>,
    /// How many tasks it says it runs.
    pub active_tasks: i64,
    /// How many it may run.
    pub max_concurrent_tasks: i64,
    /// Since its agent's start.
    pub uptime_seconds: i64,
    /// US cents a month.
    pub budget_limit: Option<i64>,
    /// US cents this month.
    pub monthly_spend: i64,
    /// It sleeps after so many idle minutes; `None` never.
    pub hibernation_idle_minutes: Option<i64>,
    /// Whether we started an instance of it.
    pub launched: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Absolute place on the canvas.
    pub x: f64,
    /// Absolute place on the canvas.
    pub y: f64,
    /// Whether its team is folded.
    pub collapsed: bool,
}

/// A row to insert.
#[derive(Clone, Debug)]
pub struct NewWorkspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// 1 to 4.
    pub tier: i64,
    /// What its agent runs on.
    pub runtime: String,
    /// How messages reach it.
    pub delivery_mode: DeliveryMode,
    /// Its parent.
    pub parent_id: Option<WorkspaceId>,
    /// The template it is made from.
    pub template: Option<String>,
    /// The folder.
    pub workspace_dir: Option<String>,
    /// What it may do there.
    pub workspace_access: WorkspaceAccess,
    /// How many tasks it may run.
    pub max_concurrent_tasks: i64,
    /// US cents a month.
    pub budget_limit: Option<i64>,
    /// Absolute place on the canvas.
    pub x: f64,
    /// Absolute place on the canvas.
    pub y: f64,
}

const COLUMNS: &str = "w.id, w.name, w.role, w.tier, w.status, w.runtime, w.delivery_mode, w.parent_id, w.template,
    w.agent_card, w.url, w.awareness_namespace, w.workspace_dir, w.workspace_access, w.last_heartbeat_at,
    w.last_outbound_at, w.last_error_rate, w.last_sample_error, w.current_task, w.active_tasks,
    w.max_concurrent_tasks, w.uptime_seconds, w.budget_limit, w.monthly_spend, w.hibernation_idle_minutes,
    w.launched, w.created_at, w.updated_at, coalesce(l.x, 0.0) AS x, coalesce(l.y, 0.0) AS y, coalesce(l.collapsed, 0) AS collapsed";

/// A column of text that must parse; a value that does not is a damaged row, not a panic.
pub(crate) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| invalid(column))
}

/// As [`parsed`], for a column that may be NULL.
pub(crate) fn parsed_opt<T: std::str::FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|_| invalid(column))).transpose()
}

fn invalid(column: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(0, column.to_owned(), rusqlite::types::Type::Text)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    let mode: String = row.get("delivery_mode")?;
    let access: String = row.get("workspace_access")?;
    Ok(Workspace {
        id: parsed(row, "id")?,
        name: row.get("name")?,
        role: row.get("role")?,
        tier: row.get("tier")?,
        status: parsed(row, "status")?,
        runtime: row.get("runtime")?,
        delivery_mode: DeliveryMode::parse(&mode).unwrap_or(DeliveryMode::Push),
        parent_id: parsed_opt(row, "parent_id")?,
        template: row.get("template")?,
        agent_card: row.get("agent_card")?,
        url: row.get("url")?,
        awareness_namespace: row.get("awareness_namespace")?,
        workspace_dir: row.get("workspace_dir")?,
        workspace_access: WorkspaceAccess::parse(&access).unwrap_or(WorkspaceAccess::None),
        last_heartbeat_at: parsed_opt(row, "last_heartbeat_at")?,
        last_outbound_at: parsed_opt(row, "last_outbound_at")?,
        last_error_rate: row.get("last_error_rate")?,
        last_sample_error: row.get("last_sample_error")?,
        current_task: row.get("current_task")?,
        active_tasks: row.get("active_tasks")?,
        max_concurrent_tasks: row.get("max_concurrent_tasks")?,
        uptime_seconds: row.get("uptime_seconds")?,
        budget_limit: row.get("budget_limit")?,
        monthly_spend: row.get("monthly_spend")?,
        hibernation_idle_minutes: row.get("hibernation_idle_minutes")?,
        launched: row.get("launched")?,
        created_at: parsed(row, "created_at")?,
        updated_at: parsed(row, "updated_at")?,
        x: row.get("x")?,
        y: row.get("y")?,
        collapsed: row.get("collapsed")?,
    })
}

impl Workspace {
    /// The card as JSON, `None` when absent or stored `null`.
    #[must_use]
    pub fn card(&self) -> Option<Box<RawValue>> {
        let text = self.agent_card.as_deref().filter(|text| *text != "null")?;
        RawValue::from_string(text.to_owned()).ok()
    }

    /// The URL, `None` when empty.
    #[must_use]
    pub fn live_url(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }
}

/// One row, removed or not.
///
/// # Errors
/// When the table cannot be read.
pub fn get(conn: &Connection, id: WorkspaceId) -> Result<Option<Workspace>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM workspaces w LEFT JOIN canvas_layouts l ON l.workspace_id = w.id WHERE w.id = ?1"
    );
    Ok(conn.prepare_cached(&sql)?.query_row([id.to_string()], from_row).optional()?)
}

/// Every row that is not removed, oldest first (20 §1.3). A row that cannot be decoded is skipped and logged.
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection) -> Result<Vec<Workspace>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM workspaces w LEFT JOIN canvas_layouts l ON l.workspace_id = w.id
         WHERE w.status <> 'removed' ORDER BY w.created_at, w.rowid"
    );
    let mut query = conn.prepare_cached(&sql)?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match from_row(row) {
            Ok(workspace) => all.push(workspace),
            Err(error) => tracing::warn!(%error, "a workspace row could not be decoded"),
        }
    }
    Ok(all)
}

/// The ids of all rows that are not removed.
///
/// # Errors
/// When the table cannot be read.
pub fn ids(conn: &Connection) -> Result<HashSet<WorkspaceId>> {
    let mut query = conn.prepare_cached("SELECT id FROM workspaces WHERE status <> 'removed'")?;
    let found: Vec<String> = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The children of one, or the roots, that are not removed, oldest first.
///
/// # Errors
/// When the table cannot be read.
pub fn children(conn: &Connection, parent: Option<WorkspaceId>) -> Result<Vec<Workspace>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM workspaces w LEFT JOIN canvas_layouts l ON l.workspace_id = w.id
         WHERE w.parent_id IS ?1 AND w.status <> 'removed' ORDER BY w.created_at, w.rowid"
    );
    let mut query = conn.prepare_cached(&sql)?;
    let rows = query.query_map([parent.map(|id| id.to_string())], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everything below `id`, nearest first; a removed row cuts the walk (20 §2.2).
///
/// # Errors
/// When the table cannot be read.
pub fn descendants(conn: &Connection, id: WorkspaceId) -> Result<Vec<WorkspaceId>> {
    let mut query = conn.prepare_cached(
        "WITH RECURSIVE below (id, depth) AS (
             SELECT id, 1 FROM workspaces WHERE parent_id = ?1 AND status <> 'removed'
             UNION
             SELECT w.id, b.depth + 1 FROM workspaces w JOIN below b ON w.parent_id = b.id
             WHERE w.status <> 'removed' AND b.depth < 64)
         SELECT id FROM below ORDER BY depth",
    )?;
    let rows = query.query_map([id.to_string()], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ancestors of a row that exists, nearest first; `None` for an unknown id (10 §7.5 rule 2).
///
/// # Errors
/// When the table cannot be read.
pub fn lineage(conn: &Connection, id: WorkspaceId) -> Result<Option<Lineage>> {
    let mut query = conn.prepare_cached("SELECT parent_id FROM workspaces WHERE id = ?1")?;
    let mut parent = |of: WorkspaceId| -> Result<Option<Option<WorkspaceId>>> {
        Ok(query.query_row([of.to_string()], |row| parsed_opt(row, "parent_id")).optional()?)
    };
    let Some(mut next) = parent(id)? else {
        return Ok(None);
    };
    let mut ancestors = Vec::new();
    while let Some(up) = next {
        if ancestors.len() >= MAX_DEPTH || up == id {
            break;
        }
        ancestors.push(up);
        next = parent(up)?.flatten();
    }
    Ok(Some(Lineage { id, ancestors }))
}

/// The nearest ancestor that is paused, by name (20 §3.1: 409).
///
/// # Errors
/// When the table cannot be read.
pub fn paused_ancestor(conn: &Connection, id: WorkspaceId) -> Result<Option<String>> {
    let Some(lineage) = lineage(conn, id)? else {
        return Ok(None);
    };
    for up in lineage.ancestors {
        if let Some(ancestor) = get(conn, up)?.filter(|w| w.status == Status::Paused) {
            return Ok(Some(ancestor.name));
        }
    }
    Ok(None)
}

/// Inserts a row in `provisioning` with its place.
///
/// # Errors
/// When a constraint refuses, e.g. an unknown parent.
pub fn insert(tx: &mut Tx<'_>, new: &NewWorkspace) -> Result<()> {
    let now = tx.now().to_string();
    let id = new.id.to_string();
    tx.prepare_cached(
        "INSERT INTO workspaces (id, name, role, tier, status, runtime, delivery_mode, parent_id, template,
             awareness_namespace, workspace_dir, workspace_access, max_concurrent_tasks, budget_limit, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 'provisioning', ?5, ?6, ?7, ?8, 'workspace:' || ?1, ?9, ?10, ?11, ?12, ?13, ?13)",
    )?
    .execute(params![
        id,
        new.name,
        new.role.as_deref().filter(|role| !role.is_empty()),
        new.tier,
        new.runtime,
        new.delivery_mode.as_str(),
        new.parent_id.map(|id| id.to_string()),
        new.template,
        new.workspace_dir,
        new.workspace_access.as_str(),
        new.max_concurrent_tasks,
        new.budget_limit,
        now,
    ])?;
    place(tx, new.id, new.x, new.y)
}

/// Sets the absolute place on the canvas.
///
/// # Errors
/// When the row cannot be written.
pub fn place(tx: &mut Tx<'_>, id: WorkspaceId, x: f64, y: f64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO canvas_layouts (workspace_id, x, y) VALUES (?1, ?2, ?3)
         ON CONFLICT (workspace_id) DO UPDATE SET x = excluded.x, y = excluded.y",
    )?
    .execute(params![id.to_string(), x, y])?;
    Ok(())
}

/// A status that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: Status,
    /// What it is.
    pub to: Status,
}

/// The only way to write a status: a conditional UPDATE guarded by the statuses that the trigger leads out
/// of (10 §18.2). `None`: the row is unknown or stood elsewhere, and nothing was written.
///
/// # Errors
/// When the row cannot be written; a failing status write is never swallowed (S103).
pub fn transition(tx: &mut Tx<'_>, id: WorkspaceId, trigger: Trigger) -> Result<Option<Transition>> {
    let (from, to) = trigger.edges();
    transition_from(tx, id, from, to)
}

/// As [`transition`], and only from `only` (still within the trigger's own edges).
///
/// # Errors
/// As [`transition`].
pub fn transition_only_from(
    tx: &mut Tx<'_>,
    id: WorkspaceId,
    trigger: Trigger,
    only: &[Status],
) -> Result<Option<Transition>> {
    let (from, to) = trigger.edges();
    let from: Vec<Status> = from.iter().copied().filter(|status| only.contains(status)).collect();
    transition_from(tx, id, &from, to)
}

fn transition_from(tx: &mut Tx<'_>, id: WorkspaceId, from: &[Status], to: Status) -> Result<Option<Transition>> {
    let id = id.to_string();
    let before: Option<String> = tx
        .prepare_cached("SELECT status FROM workspaces WHERE id = ?1")?
        .query_row([&id], |row| row.get(0))
        .optional()?;
    let Some(before) = before else {
        return Ok(None);
    };
    let before: Status = before.parse().map_err(|_| Error::Stored { what: "status" })?;
    if !from.contains(&before) {
        return Ok(None);
    }
    let now = tx.now().to_string();
    let changed = tx
        .prepare_cached("UPDATE workspaces SET status = ?2, updated_at = ?3 WHERE id = ?1 AND status = ?4")?
        .execute(params![id, to.as_str(), now, before.as_str()])?;
    Ok((changed == 1).then_some(Transition { from: before, to }))
}

/// Counts the rows that are not removed.
///
/// # Errors
/// When the table cannot be read.
pub fn count(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("SELECT count(*) FROM workspaces WHERE status <> 'removed'", [], |row| row.get(0))?)
}
