//! Room templates.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// The templates as last read.
#[derive(Default)]
pub struct Templates {}
