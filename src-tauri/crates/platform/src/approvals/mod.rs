//! Room approvals.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// Starts the expiry.
pub fn start(_app: &crate::App) {}
