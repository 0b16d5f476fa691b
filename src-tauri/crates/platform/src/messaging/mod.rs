//! Room messaging.

use crate::{App, Config, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
}

/// The way of a message.
#[derive(Default)]
pub struct Messaging {}

impl Messaging {
    /// With these settings.
    #[must_use]
    pub fn new(_config: &Config) -> Self {
        Self {}
    }
}

/// At boot: what was being answered when the server died becomes visible as interrupted.
pub async fn recover(_app: &App) {}
