//! Resuming exactly where a client stopped.

use molecule_model::event::{Envelope, Payload};
use molecule_store::{outbox, rusqlite::Connection};

use crate::activity;

/// Most events that a resume replays; beyond it the snapshot is cheaper.
const MOST: i64 = 50_000;
/// Events in one page of a replay.
const PAGE: usize = 500;

/// What a client that asks for `since` gets.
#[derive(Debug)]
pub enum Replay {
    /// The next of them, oldest first; none where the client is up to date.
    Events(Vec<Envelope>),
    /// It is too far behind, or its number lies ahead of ours: read the snapshot.
    TooFar,
}

/// The first page of what came after event number `since`.
///
/// # Errors
/// When the outbox cannot be read.
pub fn replay(conn: &Connection, since: i64) -> molecule_store::Result<Replay> {
    let last = outbox::last_seq(conn)?;
    if since < outbox::pruned_to(conn)? || since > last || last - since > MOST {
        return Ok(Replay::TooFar);
    }
    let (mut from, mut events) = (since, Vec::new());
    // A page of which nothing is left to tell is not the end.
    while events.is_empty() {
        let rows = outbox::since(conn, from, PAGE)?;
        let Some(newest) = rows.last() else { break };
        from = newest.seq;
        for row in rows {
            events.extend(told(conn, row)?);
        }
    }
    Ok(Replay::Events(events))
}

/// The event of a row; none where retention removed the row that it mirrors.
fn told(conn: &Connection, row: outbox::Stored) -> molecule_store::Result<Option<Envelope>> {
    let payload = match (row.payload, row.activity_seq) {
        (Some(payload), _) => Some(payload),
        (None, Some(activity)) => activity::mirror_payload(conn, &row.event_type, activity)?,
        (None, None) => Some(Payload::default()),
    };
    Ok(payload.map(|payload| Envelope {
        event: row.event_type,
        workspace_id: row.workspace_id.unwrap_or_default(),
        timestamp: row.created_at,
        payload,
        seq: Some(row.seq),
    }))
}
