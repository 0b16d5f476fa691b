//! The busy queue: messages that wait until their agent is free (10 §10).
//!
//! A row is on disk before its sender hears 202. One UPDATE claims it, and a claim carries a lease and a fencing
//! token: whoever comes late with an old token changes nothing. The order of a pair (sender, agent) is the order of
//! acceptance: while a message of a pair is claimed, none of that pair is, and a claim takes the oldest of the
//! highest priority. So only a higher priority overtakes, which is what it is for; all that is accepted today
//! has the same.

mod claims;
mod ends;
mod view;

pub use claims::{Claim, Claimed, Occasion, Outcome, Settled, claim, reclaim_all, reclaim_expired, settle};
pub use ends::{Ended, drop_of_removed, drop_stale, expired, prune};
use molecule_model::{Timestamp, WorkspaceId, id};
use rusqlite::{Connection, OptionalExtension, params};
pub use view::{Item, Pending, depth, depths, item, pending, waiting};

use crate::{Result, Tx, workspaces::parsed};

/// Attempts after which a message counts as failed.
pub const MOST_ATTEMPTS: i64 = 5;
/// Of every message that is accepted today; 100 (critical) and 10 (info) are reserved (10 §10.1).
pub const PRIORITY: i64 = 50;
/// How long a claim holds by itself, seconds: longer than the longest forward of an agent. The person's own may take
/// longer; that its holder lives is asked as well.
pub const LEASE: i64 = 40 * 60;
/// The longest time to live, seconds: a century. What is longer is forever.
const LONGEST_LIFE: u64 = 100 * 365 * 86_400;

/// A message on its way into the queue.
#[derive(Clone, Debug)]
pub struct NewItem<'a> {
    /// Whom it is for.
    pub workspace: WorkspaceId,
    /// Who sends it; nobody is the person.
    pub caller: Option<WorkspaceId>,
    /// The normal form of the envelope, JSON.
    pub body: &'a str,
    /// Its method, may be empty.
    pub method: &'a str,
    /// `params.message.messageId`, the idempotency key.
    pub message_id: Option<&'a str>,
    /// From now on; `None` waits for ever.
    pub expires_in_seconds: Option<u64>,
    /// The caller's `A2A-Version`.
    pub version: Option<&'a str>,
    /// How many messages caused it.
    pub hop: u32,
    /// [`PRIORITY`], unless a test says otherwise.
    pub priority: i64,
}

/// What the sender hears of a message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The row.
    pub queue_id: String,
    /// How many wait for that agent, this one and expired ones included.
    pub depth: i64,
}

/// Accepts a message. The same message of the same sender again, while it waits or is on its way, is that same row
/// (S148).
///
/// # Errors
/// When the row cannot be written.
pub fn enqueue(tx: &mut Tx<'_>, new: &NewItem<'_>) -> Result<Waiting> {
    let (workspace, caller) = (new.workspace.to_string(), new.caller.map(|id| id.to_string()));
    let key = new.message_id.filter(|key| !key.is_empty());
    let known: Option<String> = match key {
        Some(key) => tx
            .prepare_cached(
                "SELECT id FROM a2a_queue
                 WHERE workspace_id = ?1 AND coalesce(caller_id, '') = coalesce(?2, '') AND idempotency_key = ?3
                   AND status IN ('queued', 'dispatched')",
            )?
            .query_row(params![workspace, caller, key], |row| row.get(0))
            .optional()?,
        None => None,
    };
    let queue_id = if let Some(known) = known {
        known
    } else {
        let fresh = id::appended();
        let now = tx.now();
        let life = new.expires_in_seconds.filter(|seconds| (1..=LONGEST_LIFE).contains(seconds));
        let expires_at = life.and_then(|seconds| i64::try_from(seconds).ok()).map(|seconds| now.plus_seconds(seconds));
        tx.prepare_cached(
            "INSERT INTO a2a_queue (id, workspace_id, caller_id, priority, body, method, idempotency_key, enqueued_at,
                 expires_at, a2a_version, hop)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            fresh,
            workspace,
            caller,
            new.priority,
            new.body,
            (!new.method.is_empty()).then_some(new.method),
            key,
            now.to_string(),
            expires_at.map(|at| at.to_string()),
            new.version,
            new.hop,
        ])?;
        fresh
    };
    Ok(Waiting { queue_id, depth: depth(tx, new.workspace)? })
}

/// Whether an earlier message of this pair waits or is on its way: a newer one goes behind it. Hot path.
///
/// # Errors
/// When the table cannot be read.
pub fn is_behind(tx: &Tx<'_>, workspace: WorkspaceId, caller: Option<WorkspaceId>) -> Result<bool> {
    let now = tx.now().to_string();
    let mut query = tx.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM a2a_queue
             WHERE workspace_id = ?1 AND caller_id IS ?2 AND status IN ('queued', 'dispatched')
               AND (status = 'dispatched' OR expires_at IS NULL OR expires_at > ?3))",
    )?;
    Ok(query.query_row(params![workspace.to_string(), caller.map(|id| id.to_string()), now], |row| row.get(0))?)
}

/// Whether nothing waits for anybody and nothing is claimed.
///
/// # Errors
/// When the table cannot be read.
pub fn is_empty(conn: &Connection) -> Result<bool> {
    let mut query =
        conn.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM a2a_queue WHERE status IN ('queued', 'dispatched'))")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// Whom something waits for that may be delivered, and who was not heard of since `cutoff`: no beat of theirs will
/// come for it.
///
/// # Errors
/// When the table cannot be read.
pub fn waits_unheard(conn: &Connection, now: Timestamp, cutoff: Timestamp) -> Result<Vec<WorkspaceId>> {
    let mut query = conn.prepare_cached(
        "SELECT id FROM workspaces w
         WHERE status <> 'removed' AND coalesce(last_heartbeat_at, '') < ?2
           AND EXISTS (SELECT 1 FROM a2a_queue q
               WHERE q.workspace_id = w.id AND q.status = 'queued' AND (q.expires_at IS NULL OR q.expires_at > ?1))",
    )?;
    let rows = query.query_map(params![now.to_string(), cutoff.to_string()], |row| parsed(row, "id"))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether anything waits for this agent. Hot path.
///
/// # Errors
/// When the table cannot be read.
pub fn is_waiting(conn: &Connection, workspace: WorkspaceId) -> Result<bool> {
    let mut query =
        conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM a2a_queue WHERE workspace_id = ?1 AND status = 'queued')")?;
    Ok(query.query_row([workspace.to_string()], |row| row.get(0))?)
}
