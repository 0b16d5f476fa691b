//! Room templates.

use crate::{App, Config, http::Room, paths::Paths};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// The templates as last read.
#[derive(Default)]
pub struct Templates {}

impl Templates {
    /// Of these roots.
    #[must_use]
    pub fn new(_config: &Config, _paths: &Paths) -> Self {
        Self {}
    }
}

/// Starts watching.
pub fn start(_app: &App) {}
