//! Room activity.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// The payload of an event that mirrors an activity row, built from that row; `None` when it is gone.
///
/// # Errors
/// When the row cannot be read.
pub fn mirror_payload(
    _conn: &molecule_store::rusqlite::Connection,
    _event: &str,
    _seq: i64,
) -> molecule_store::Result<Option<serde_json::Value>> {
    Ok(None)
}
