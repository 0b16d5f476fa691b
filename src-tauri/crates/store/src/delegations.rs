//! Delegations: pairs of activity rows, one for the request and one for the result (10 §11).

use std::collections::HashMap;

use molecule_model::{Timestamp, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use crate::{
    Result, Tx,
    activity::{self, NewActivity},
    workspaces::parsed,
};

/// The `activity_type` of both rows.
const KIND: &str = "delegation";
/// Rows looked at to merge a list; a delegation has two, seldom more.
const LOOKED_AT: usize = 200;
/// Delegations in a list (10 §11.5).
const LISTED: usize = 50;

/// A request on its way into the log.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who delegates.
    pub from: WorkspaceId,
    /// To whom.
    pub to: WorkspaceId,
    /// What.
    pub task: String,
    /// Under which id; agents that record choose it themselves.
    pub delegation_id: String,
    /// Unique per delegator while set.
    pub idempotency_key: Option<String>,
    /// The agent sends the message itself and only tells us (10 §11.3).
    pub recorded: bool,
}

/// Writes the request row: `pending`, or `dispatched` where the agent already sent it.
///
/// # Errors
/// When a constraint refuses, e.g. an unknown delegator.
pub fn insert(tx: &mut Tx<'_>, request: &Request) -> Result<i64> {
    let mut row = NewActivity::new(request.from, KIND);
    let mut body = json!({"task": request.task, "delegation_id": request.delegation_id});
    if request.recorded {
        body["recorded"] = json!(true);
    }
    row.source_id = Some(request.from.to_string());
    row.target_id = Some(request.to.to_string());
    row.method = Some("delegate".into());
    row.summary = Some(format!("Delegating to {}", request.to));
    row.request_body = Some(body.to_string());
    row.status = if request.recorded { "dispatched" } else { "pending" };
    row.idempotency_key.clone_from(&request.idempotency_key);
    activity::insert(tx, &row)
}

/// A delegation that already holds an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// Its id.
    pub delegation_id: String,
    /// Its latest status.
    pub status: String,
    /// To whom it went.
    pub target_id: String,
}

/// The delegation under `key` that did not fail. A failed one is deleted, so that the request is run anew.
///
/// # Errors
/// When the rows cannot be read or written.
pub fn by_key(tx: &mut Tx<'_>, from: WorkspaceId, key: &str) -> Result<Option<Existing>> {
    let found: Option<(i64, Existing)> = tx
        .prepare_cached(
            "SELECT d.seq, d.request_body ->> 'delegation_id' AS did, d.target_id,
                 -- One that waited keeps its request row at `queued`; its result row knows better (R-38).
                 coalesce(CASE WHEN d.status = 'queued' THEN (
                     SELECT r.status FROM activity_logs r
                     WHERE r.workspace_id = ?1 AND r.method = 'delegate_result'
                       AND r.response_body ->> 'delegation_id' = d.request_body ->> 'delegation_id'
                     ORDER BY r.seq DESC LIMIT 1) END, d.status) AS status
             FROM activity_logs d WHERE d.workspace_id = ?1 AND d.idempotency_key = ?2 AND d.method = 'delegate'",
        )?
        .query_row(params![from.to_string(), key], |row| {
            let target: Option<String> = row.get("target_id")?;
            let existing = Existing {
                delegation_id: row.get("did")?,
                status: row.get("status")?,
                target_id: target.unwrap_or_default(),
            };
            Ok((row.get("seq")?, existing))
        })
        .optional()?;
    match found {
        Some((seq, existing)) if existing.status == "failed" => {
            tx.prepare_cached("DELETE FROM activity_logs WHERE seq = ?1")?.execute([seq])?;
            Ok(None)
        }
        found => Ok(found.map(|(_, existing)| existing)),
    }
}

/// Moves the request row on. Answers how many rows that were.
///
/// # Errors
/// When the row cannot be written.
pub fn set_status(
    tx: &mut Tx<'_>,
    from: WorkspaceId,
    delegation_id: &str,
    status: &str,
    error: Option<&str>,
) -> Result<usize> {
    let error = error.filter(|text| !text.is_empty());
    Ok(tx
        .prepare_cached(
            "UPDATE activity_logs SET status = ?3, error_detail = coalesce(?4, error_detail)
             WHERE workspace_id = ?1 AND method = 'delegate' AND request_body ->> 'delegation_id' = ?2",
        )?
        .execute(params![from.to_string(), delegation_id, status, error])?)
}

/// How a delegation came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who delegated.
    pub from: WorkspaceId,
    /// To whom; not known where the agent only reports.
    pub to: Option<WorkspaceId>,
    /// Under which id.
    pub delegation_id: String,
    /// `completed`, `failed` or `queued`.
    pub status: &'static str,
    /// One line for people.
    pub summary: String,
    /// The reply, where there is one.
    pub text: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Writes the result row (10 §11.2 step 4); a failed one names no delegation in its body.
///
/// # Errors
/// When a constraint refuses.
pub fn insert_result(tx: &mut Tx<'_>, outcome: &Outcome) -> Result<i64> {
    let mut row = NewActivity::new(outcome.from, KIND);
    row.source_id = Some(outcome.from.to_string());
    row.target_id = outcome.to.map(|id| id.to_string());
    row.method = Some("delegate_result".into());
    row.summary = Some(outcome.summary.clone());
    row.status = outcome.status;
    row.error_detail.clone_from(&outcome.error);
    row.response_body = match outcome.status {
        "completed" => Some(json!({"text": outcome.text, "delegation_id": outcome.delegation_id}).to_string()),
        "queued" => Some(json!({"delegation_id": outcome.delegation_id, "queued": true}).to_string()),
        _ => None,
    };
    activity::insert(tx, &row)
}

/// Whether nothing final is known of a delegation yet, nor that it waits.
///
/// # Errors
/// When the table cannot be read.
pub fn is_open(conn: &Connection, from: WorkspaceId, delegation_id: &str) -> Result<bool> {
    Ok(status_of(conn, from, delegation_id)?.is_none_or(|status| matches!(status.as_str(), "pending" | "dispatched")))
}

/// Whether a delegation was written.
///
/// # Errors
/// When the table cannot be read.
pub fn exists(conn: &Connection, from: WorkspaceId, delegation_id: &str) -> Result<bool> {
    Ok(status_of(conn, from, delegation_id)?.is_some())
}

fn status_of(conn: &Connection, from: WorkspaceId, delegation_id: &str) -> Result<Option<String>> {
    let mut query = conn.prepare_cached(
        "SELECT status FROM activity_logs
         WHERE workspace_id = ?1 AND method = 'delegate' AND request_body ->> 'delegation_id' = ?2
         ORDER BY seq DESC LIMIT 1",
    )?;
    Ok(query.query_row(params![from.to_string(), delegation_id], |row| row.get(0)).optional()?)
}

/// Writes how a delegation that waited in the queue came out, over the row that says so (10 §10.3 step 4). Whoever
/// ran it may not have written that row yet, and an agent that runs it itself never writes one: then it is written
/// here. `false`: nothing waited for this.
///
/// # Errors
/// When the rows cannot be written.
pub fn stitch(tx: &mut Tx<'_>, outcome: &Outcome) -> Result<bool> {
    let (from, id) = (outcome.from, outcome.delegation_id.as_str());
    let failed = outcome.status == "failed";
    let body = (!failed).then(|| json!({"text": outcome.text, "delegation_id": id}).to_string());
    let changed = tx
        .prepare_cached(
            "UPDATE activity_logs SET status = ?4, summary = ?5, response_body = ?6, error_detail = ?7
             WHERE workspace_id = ?1 AND method = 'delegate_result' AND target_id IS ?2
               AND response_body ->> 'delegation_id' = ?3 AND status = 'queued'",
        )?
        .execute(params![
            from.to_string(),
            outcome.to.map(|id| id.to_string()),
            id,
            outcome.status,
            outcome.summary,
            body,
            outcome.error
        ])?;
    if changed > 0 {
        if failed {
            set_status(tx, from, id, "failed", outcome.error.as_deref())?;
        }
        return Ok(true);
    }
    let waits = status_of(tx, from, id)?
        .is_some_and(|status| matches!(status.as_str(), "pending" | "dispatched" | "queued" | "in_progress"));
    if waits {
        set_status(tx, from, id, outcome.status, outcome.error.as_deref())?;
        insert_result(tx, outcome)?;
    }
    Ok(waits)
}

/// One delegation with its latest status (R-39).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The request row's id.
    pub id: String,
    /// The delegation's id.
    pub delegation_id: String,
    /// To whom, `""` when unknown.
    pub target_id: String,
    /// One line for people.
    pub summary: String,
    /// The latest status.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The reply, or the whole result body as text.
    pub reply: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
}

/// The newest delegations of a workspace, newest first, one row each.
///
/// # Errors
/// When the table cannot be read.
pub fn list(conn: &Connection, from: WorkspaceId) -> Result<Vec<Merged>> {
    let mut query = conn.prepare_cached(
        "SELECT id, coalesce(request_body ->> 'delegation_id', response_body ->> 'delegation_id') AS did, method, target_id,
                summary, status, error_detail, coalesce(response_body ->> 'text', response_body) AS reply, created_at
         FROM activity_logs WHERE workspace_id = ?1 AND activity_type = 'delegation' ORDER BY seq DESC LIMIT ?2",
    )?;
    let mut rows = query.query(params![from.to_string(), i64::try_from(LOOKED_AT).unwrap_or(i64::MAX)])?;
    let mut found: Vec<Merged> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(row) = rows.next()? {
        let Some(delegation_id) = row.get::<_, Option<String>>("did")? else { continue };
        let text = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(column)?.unwrap_or_default());
        let request = text("method")? == "delegate";
        let seen = Merged {
            id: row.get("id")?,
            delegation_id: delegation_id.clone(),
            target_id: text("target_id")?,
            summary: text("summary")?,
            status: text("status")?,
            error: row.get("error_detail")?,
            reply: row.get("reply")?,
            created_at: parsed(row, "created_at")?,
        };
        // Newest first: the result row comes before its request row, whose id and time the delegation keeps.
        match places.get(&delegation_id).and_then(|at| found.get_mut(*at)) {
            Some(merged) if request => {
                *merged = Merged {
                    status: if seen.status == "failed" { seen.status } else { std::mem::take(&mut merged.status) },
                    error: seen.error.or_else(|| merged.error.take()),
                    reply: merged.reply.take(),
                    summary: std::mem::take(&mut merged.summary),
                    ..seen
                };
            }
            Some(_) => {}
            None => {
                places.insert(delegation_id, found.len());
                found.push(seen);
            }
        }
    }
    found.truncate(LISTED);
    Ok(found)
}

/// How one delegation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The latest status.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The whole reply.
    pub reply: Option<String>,
}

/// The newest delegation of `from` to `to` under this id. Its result row says how it came out, but for a failed one,
/// whose result names no delegation (O-19).
///
/// # Errors
/// When the table cannot be read.
pub fn find(conn: &Connection, from: WorkspaceId, to: WorkspaceId, delegation_id: &str) -> Result<Option<Standing>> {
    let mut request = conn.prepare_cached(
        "SELECT status, error_detail FROM activity_logs
         WHERE workspace_id = ?1 AND request_body ->> 'delegation_id' = ?2 AND target_id = ?3 AND method = 'delegate'
           AND method IN ('delegate', 'delegate_result') ORDER BY seq DESC LIMIT 1",
    )?;
    let found = request
        .query_row(params![from.to_string(), delegation_id, to.to_string()], |row| {
            Ok(Standing { status: row.get(0)?, error: row.get(1)?, reply: None })
        })
        .optional()?;
    let Some(found) = found else { return Ok(None) };
    if found.status == "failed" {
        return Ok(Some(found));
    }
    let mut result = conn.prepare_cached(
        "SELECT status, error_detail, response_body ->> 'text' FROM activity_logs
         WHERE workspace_id = ?1 AND response_body ->> 'delegation_id' = ?2 AND method = 'delegate_result'
           AND method IN ('delegate', 'delegate_result') ORDER BY seq DESC LIMIT 1",
    )?;
    let came = result
        .query_row(params![from.to_string(), delegation_id], |row| {
            Ok(Standing { status: row.get(0)?, error: row.get(1)?, reply: row.get(2)? })
        })
        .optional()?;
    Ok(Some(came.unwrap_or(found)))
}

/// A delegation that was still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Who delegated.
    pub from: WorkspaceId,
    /// To whom.
    pub target_id: String,
    /// Under which id.
    pub delegation_id: String,
    /// Its message waits in the queue: nobody has to run it.
    pub waits: bool,
}

/// Delegations that nobody runs any more after a restart: those that we ran, and those that an agent of ours ran,
/// since its process went with us. An external agent may still finish what it recorded, so its rows stay.
///
/// # Errors
/// When the table cannot be read.
pub fn orphans(conn: &Connection) -> Result<Vec<Open>> {
    let mut query = conn.prepare_cached(
        "SELECT a.workspace_id, a.target_id, a.request_body ->> 'delegation_id' AS did,
                EXISTS (SELECT 1 FROM a2a_queue q
                    WHERE q.workspace_id = a.target_id AND q.caller_id = a.workspace_id AND q.status IN ('queued', 'dispatched')
                      AND q.body ->> '$.params.message.metadata.delegation_id' = a.request_body ->> 'delegation_id') AS waits
         FROM workspaces w CROSS JOIN activity_logs a ON a.workspace_id = w.id AND a.activity_type = 'delegation'
         WHERE a.method = 'delegate' AND a.status IN ('pending', 'dispatched')
           AND (a.request_body ->> 'recorded' IS NULL OR w.launched = 1)
         ORDER BY a.seq",
    )?;
    let rows = query.query_map([], |row| {
        let target: Option<String> = row.get("target_id")?;
        let id: Option<String> = row.get("did")?;
        Ok(Open {
            from: parsed(row, "workspace_id")?,
            target_id: target.unwrap_or_default(),
            delegation_id: id.unwrap_or_default(),
            waits: row.get("waits")?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Outcome, Request, by_key, insert, insert_result, list, orphans, set_status};
    use crate::testing::{new_workspace, open};

    fn request(from: WorkspaceId, to: WorkspaceId, id: &str) -> Request {
        Request { from, to, task: "count".into(), delegation_id: id.into(), idempotency_key: None, recorded: false }
    }

    fn outcome(request: &Request, status: &'static str) -> Outcome {
        Outcome {
            from: request.from,
            to: Some(request.to),
            delegation_id: request.delegation_id.clone(),
            status,
            summary: format!("Delegation {status}"),
            text: (status == "completed").then(|| "three".into()),
            error: (status == "failed").then(|| "no answer".into()),
        }
    }

    #[tokio::test]
    async fn r39_one_row_a_delegation_with_its_latest_status() {
        let (store, _dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        let merged = store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", None)?;
                for (id, status) in [("one", "completed"), ("two", "failed"), ("three", "queued")] {
                    let request = request(a, b, id);
                    insert(tx, &request)?;
                    let outcome = outcome(&request, status);
                    set_status(tx, a, id, status, outcome.error.as_deref())?;
                    insert_result(tx, &outcome)?;
                }
                insert(tx, &request(a, b, "four"))?;
                list(tx, a)
            })
            .await
            .unwrap();
        let seen: Vec<_> = merged
            .iter()
            .map(|m| (m.delegation_id.as_str(), m.status.as_str(), m.reply.as_deref(), m.error.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("four", "pending", None, None),
                ("three", "queued", Some(r#"{"delegation_id":"three","queued":true}"#), None),
                ("two", "failed", None, Some("no answer")),
                ("one", "completed", Some("three"), None),
            ]
        );
        assert!(merged.iter().all(|m| m.target_id == b.to_string()));
    }

    #[tokio::test]
    async fn r38_a_key_is_held_until_its_delegation_failed() {
        let (store, _dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", None)?;
                let mut first = request(a, b, "one");
                first.idempotency_key = Some("k".into());
                insert(tx, &first)?;
                assert_eq!(by_key(tx, b, "k")?, None, "keys are the delegator's own");
                assert_eq!(
                    by_key(tx, a, "k")?.map(|e| (e.delegation_id, e.status)),
                    Some(("one".into(), "pending".into()))
                );
                set_status(tx, a, "one", "failed", Some("gone"))?;
                assert_eq!(by_key(tx, a, "k")?, None);
                first.delegation_id = "two".into();
                insert(tx, &first).map(drop)
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn what_an_external_agent_runs_is_not_orphaned_by_our_restart() {
        let (store, _dir) = open();
        let (a, b) = (WorkspaceId::random(), WorkspaceId::random());
        let open_ones = store
            .write(move |tx| {
                new_workspace(tx, a, "A", None)?;
                new_workspace(tx, b, "B", None)?;
                insert(tx, &request(a, b, "ours"))?;
                insert(tx, &Request { recorded: true, ..request(a, b, "theirs") })?;
                insert(tx, &request(a, b, "done"))?;
                set_status(tx, a, "done", "completed", None)?;
                tx.execute("UPDATE workspaces SET launched = 1 WHERE id = ?1", [b.to_string()])?;
                insert(tx, &Request { recorded: true, ..request(b, a, "launched") })?;
                orphans(tx)
            })
            .await
            .unwrap();
        assert_eq!(open_ones.iter().map(|open| open.delegation_id.as_str()).collect::<Vec<_>>(), ["ours", "launched"]);
    }
}
