//! Room workspaces.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}
