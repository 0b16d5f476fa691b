//! Room secrets.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// Starts watching the vault.
pub fn start(_app: &crate::App) {}
