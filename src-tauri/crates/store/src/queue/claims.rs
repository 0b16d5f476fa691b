//! Claims: one message for one holder at a time, and what became of it (10 §10.2, §10.3).

use std::collections::HashSet;

use molecule_model::{WorkspaceId, preview::preview};
use rusqlite::{OptionalExtension, Row, params};

use super::{Ended, LEASE, MOST_ATTEMPTS, ends::ended};
use crate::{Result, Tx, workspaces::parsed_opt};

/// Characters of an error that are kept; agents write them.
const LONGEST_ERROR: usize = 500;
/// What stands as the error of a message whose holder was gone.
const LOST: &str = "interrupted while it was being delivered";

/// What a holder shows to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The row.
    pub id: String,
    /// The fencing token.
    pub lease: i64,
}

/// A message that is one's own to deliver.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// What to show when it is settled.
    pub claim: Claim,
    /// Whom it is for.
    pub workspace: WorkspaceId,
    /// Who sends it; nobody is the person.
    pub caller: Option<WorkspaceId>,
    /// The envelope, JSON.
    pub body: String,
    /// Its method.
    pub method: Option<String>,
    /// This attempt counted.
    pub attempts: i64,
    /// The caller's `A2A-Version`.
    pub version: Option<String>,
    /// How many messages caused it.
    pub hop: u32,
}

/// What a claim is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The agent said that it has capacity; what it reports counts.
    Heartbeat,
    /// We think so: what we deliver to it already counts too.
    Ours,
    /// Nothing is heard of it, and so nothing else would come to this: as [`Self::Ours`], and that it cannot be
    /// reached is no attempt.
    Look,
}

/// Claims what `workspace` can take now, and can be sent, of what waits for it, at most `most`: the highest priority first, then the
/// oldest; never an expired one, never two of a pair at a time (S149). Every claim is an UPDATE on the one writer, so
/// that no two are of one row.
///
/// # Errors
/// When the rows cannot be written.
pub fn claim(tx: &mut Tx<'_>, workspace: WorkspaceId, occasion: Occasion, most: usize) -> Result<Vec<Claimed>> {
    let id = workspace.to_string();
    let found: Option<(i64, i64, i64)> = tx
        .prepare_cached(
            "SELECT max(max_concurrent_tasks, 1) AS most, active_tasks,
                    (SELECT count(*) FROM a2a_queue WHERE workspace_id = ?1 AND status = 'dispatched') AS ours
             FROM workspaces WHERE id = ?1 AND status <> 'removed'
               -- One that is paused, asleep or being started has no address; it goes on beating all the same.
               AND (delivery_mode = 'poll' OR (coalesce(url, '') <> '' AND status <> 'hibernating'))",
        )?
        .query_row([&id], |row| Ok((row.get("most")?, row.get("active_tasks")?, row.get("ours")?)))
        .optional()?;
    let Some((limit, reported, ours)) = found else { return Ok(Vec::new()) };
    if reported >= limit {
        return Ok(Vec::new());
    }
    // What an agent reports has ours among it; one that reports nothing is still given no more than it takes. But a
    // heartbeat that tells of capacity is believed once.
    let room = (limit - reported.max(ours)).max(i64::from(occasion == Occasion::Heartbeat));
    let room = usize::try_from(room).unwrap_or(0).min(most);
    let now = tx.now();
    let next = next_of(tx, &id, &now.to_string(), room)?;
    let mut query = tx.prepare_cached(
        "UPDATE a2a_queue SET status = 'dispatched', dispatched_at = ?2, attempts = attempts + 1, lease = lease + 1,
             lease_until = ?3
         WHERE seq = ?1 AND status = 'queued'
         RETURNING id, caller_id, body, method, attempts, lease, a2a_version, hop",
    )?;
    let (at, until) = (now.to_string(), now.plus_seconds(LEASE).to_string());
    let claimed = next.into_iter().map(|seq| {
        Ok(query.query_row(params![seq, at, until], |row| {
            Ok(Claimed {
                claim: Claim { id: row.get("id")?, lease: row.get("lease")? },
                workspace,
                caller: parsed_opt(row, "caller_id")?,
                body: row.get("body")?,
                method: row.get("method")?,
                attempts: row.get("attempts")?,
                version: row.get("a2a_version")?,
                hop: row.get("hop")?,
            })
        })?)
    });
    claimed.collect()
}

/// The first message of each pair that has none on its way, in the order of the queue, at most `most`.
fn next_of(tx: &Tx<'_>, workspace: &str, now: &str, most: usize) -> Result<Vec<i64>> {
    if most == 0 {
        return Ok(Vec::new());
    }
    let mut under_way: HashSet<Option<String>> = tx
        .prepare_cached("SELECT caller_id FROM a2a_queue WHERE workspace_id = ?1 AND status = 'dispatched'")?
        .query_map([workspace], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut query = tx.prepare_cached(
        "SELECT seq, caller_id FROM a2a_queue
         WHERE workspace_id = ?1 AND status = 'queued' AND (expires_at IS NULL OR expires_at > ?2)
         ORDER BY priority DESC, seq",
    )?;
    let (mut rows, mut found) = (query.query(params![workspace, now])?, Vec::new());
    while found.len() < most
        && let Some(row) = rows.next()?
    {
        if under_way.insert(row.get(1)?) {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent has it.
    Done,
    /// Not yet: the agent is still busy, or we stop. The attempt does not count (O-14).
    Again,
    /// It failed, for this reason.
    Failed(String),
}

/// What became of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was somebody else's by then: nothing was changed.
    Stale,
    /// It is delivered.
    Completed,
    /// It waits again.
    Queued,
    /// It was tried often enough.
    Failed,
}

/// Settles a claim, unless it is no longer one's own.
///
/// # Errors
/// When the row cannot be written.
pub fn settle(tx: &mut Tx<'_>, claim: &Claim, outcome: &Outcome) -> Result<Settled> {
    let now = tx.now().to_string();
    let settled: Option<String> = match outcome {
        Outcome::Done => tx
            .prepare_cached(
                "UPDATE a2a_queue SET status = 'completed', completed_at = ?3, last_error = NULL, lease_until = NULL
                 WHERE id = ?1 AND lease = ?2 AND status = 'dispatched' RETURNING status",
            )?
            .query_row(params![claim.id, claim.lease, now], |row| row.get(0)),
        Outcome::Again => tx
            .prepare_cached(
                "UPDATE a2a_queue SET status = 'queued', attempts = attempts - 1, dispatched_at = NULL, lease_until = NULL
                 WHERE id = ?1 AND lease = ?2 AND status = 'dispatched' RETURNING status",
            )?
            .query_row(params![claim.id, claim.lease], |row| row.get(0)),
        Outcome::Failed(why) => tx
            .prepare_cached(
                "UPDATE a2a_queue SET status = CASE WHEN attempts >= ?4 THEN 'failed' ELSE 'queued' END, last_error = ?3,
                     dispatched_at = NULL, lease_until = NULL
                 WHERE id = ?1 AND lease = ?2 AND status = 'dispatched' RETURNING status",
            )?
            .query_row(params![claim.id, claim.lease, preview(why, LONGEST_ERROR), MOST_ATTEMPTS], |row| row.get(0)),
    }
    .optional()?;
    Ok(match settled.as_deref() {
        Some("completed") => Settled::Completed,
        Some("queued") => Settled::Queued,
        Some(_) => Settled::Failed,
        None => Settled::Stale,
    })
}

const RECLAIM: &str = "UPDATE a2a_queue SET status = CASE WHEN attempts >= ?1 THEN 'failed' ELSE 'queued' END,
         last_error = ?2, dispatched_at = NULL, lease_until = NULL";

/// At boot: whatever the last process had claimed waits again (O-23); what it was tried with too often, since that may
/// be what ends us, has failed. Answers how many, and those that failed.
///
/// # Errors
/// When the rows cannot be written.
pub fn reclaim_all(tx: &mut Tx<'_>) -> Result<(usize, Vec<Ended>)> {
    let mut query = tx.prepare_cached(&format!(
        "{RECLAIM} WHERE status = 'dispatched' RETURNING id, workspace_id, caller_id, body, method, last_error, status"
    ))?;
    let rows = query.query_map(params![MOST_ATTEMPTS, LOST], reclaimed)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(split(rows))
}

/// Takes back claims whose lease is over and whose holder is none of the `live` ones.
///
/// # Errors
/// When the rows cannot be written.
pub fn reclaim_expired(tx: &mut Tx<'_>, live: &HashSet<String>) -> Result<(usize, Vec<Ended>)> {
    let over: Vec<String> = tx
        .prepare_cached("SELECT id FROM a2a_queue WHERE status = 'dispatched' AND lease_until <= ?1")?
        .query_map([tx.now().to_string()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut query = tx.prepare_cached(&format!(
        "{RECLAIM} WHERE id = ?3 AND status = 'dispatched'
         RETURNING id, workspace_id, caller_id, body, method, last_error, status"
    ))?;
    let mut rows = Vec::new();
    for id in over.iter().filter(|id| !live.contains(*id)) {
        rows.push(query.query_row(params![MOST_ATTEMPTS, LOST, id], reclaimed)?);
    }
    Ok(split(rows))
}

fn reclaimed(row: &Row<'_>) -> rusqlite::Result<(bool, Ended)> {
    let status: String = row.get("status")?;
    Ok((status == "failed", ended(row)?))
}

fn split(rows: Vec<(bool, Ended)>) -> (usize, Vec<Ended>) {
    (rows.len(), rows.into_iter().filter_map(|(failed, row)| failed.then_some(row)).collect())
}
