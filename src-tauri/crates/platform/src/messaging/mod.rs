//! Room messaging.

use crate::http::Room;

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// The way of a message.
#[derive(Default)]
pub struct Messaging {}
