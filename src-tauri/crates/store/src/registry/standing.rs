//! What is known of an id before a call is let in.

use molecule_model::{Status, WorkspaceId, wire::DeliveryMode};
use rusqlite::{Connection, OptionalExtension};

use crate::{Result, tokens, workspaces::parsed};

/// What is known of an id before a registry call is let in (10 §2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: Status,
    /// Whether it has a live bearer.
    pub has_token: bool,
    /// Whether we started an instance of it.
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
