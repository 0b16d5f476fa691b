//! Room registry.

use crate::{App, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// Who is alive.
#[derive(Default)]
pub struct Presence {}

/// Starts the sweeps.
pub fn start(_app: &App) {}
