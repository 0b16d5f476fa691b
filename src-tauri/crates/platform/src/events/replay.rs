//! Resuming exactly where a client stopped.

use molecule_model::event::Envelope;
use molecule_store::{outbox, rusqlite::Connection};
use serde_json::json;

use crate::activity;

/// Most events that one resume replays; beyond it the snapshot is cheaper.
pub const MOST: usize = 5_000;

/// What a client that asks for `since` gets.
#[derive(Debug)]
pub enum Replay {
    /// These, then whatever follows on the bus.
    Events(Vec<Envelope>),
    /// It is too far behind, or its number lies ahead of ours: read the snapshot.
    TooFar,
}

/// Collects what came after event number `since`.
///
/// # Errors
/// When the outbox cannot be read.
pub fn replay(conn: &Connection, since: i64) -> molecule_store::Result<Replay> {
    let (first, last) = (outbox::first_seq(conn)?, outbox::last_seq(conn)?);
    let pruned = since + 1 < first && last > 0;
    if since < 0 || since > last || pruned {
        return Ok(Replay::TooFar);
    }
    let rows = outbox::since(conn, since, MOST + 1)?;
    if rows.len() > MOST {
        return Ok(Replay::TooFar);
    }
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let payload = match (row.payload, row.activity_seq) {
            (Some(payload), _) => Some(payload),
            (None, Some(activity)) => activity::mirror_payload(conn, &row.event_type, activity)?,
            (None, None) => Some(json!({})),
        };
        // A mirrored row that retention removed has nothing left to tell.
        let Some(payload) = payload else { continue };
        events.push(Envelope {
            event: row.event_type,
            workspace_id: row.workspace_id.unwrap_or_default(),
            timestamp: row.created_at,
            payload,
            seq: Some(row.seq),
        });
    }
    Ok(Replay::Events(events))
}
