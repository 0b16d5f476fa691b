//! Starting and stopping agents.

use std::sync::Arc;

use crate::{App, Clock, Config, paths::Paths};

/// Starting and stopping agents.
#[derive(Default)]
pub struct Provisioning {}

impl Provisioning {
    /// With the launchers of this machine.
    #[must_use]
    pub fn new(_config: &Config, _paths: &Paths, _installation: &str, _clock: &Arc<dyn Clock>) -> Self {
        Self {}
    }
}

/// Starts the watchers.
pub fn start(_app: &App) {}

/// At boot: brings back what should run.
pub async fn recover(_app: &App) {}

/// Stops every agent.
pub async fn shut_down(_app: &App) {}
