//! The place of one workspace in the launcher: at most one agent, one change at a time.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::lock;
use crate::{Instance, LaunchError};

/// How long after SIGKILL an agent may take to be gone before a stop gives up on it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Slot {
    /// Held by whoever starts, stops or sweeps.
    pub(super) turn: tokio::sync::Mutex<()>,
    running: Mutex<Option<Running>>,
    /// Where the last agent wrote its console, running or not.
    log_path: Mutex<Option<PathBuf>>,
}

/// The launcher's side of a supervised agent.
pub(super) struct Running {
    pub(super) instance: Instance,
    pub(super) pid: u32,
    /// Sending asks the supervisor for the end; dropping tells it that the launcher is gone.
    pub(super) stop: Option<oneshot::Sender<()>>,
    /// Turns true when the agent is gone and its traces are removed.
    pub(super) ended: watch::Receiver<bool>,
}

impl Slot {
    pub(super) fn pid(&self) -> Option<u32> {
        lock(&self.running).as_ref().map(|running| running.pid)
    }

    pub(super) fn instance(&self) -> Option<Instance> {
        lock(&self.running).as_ref().map(|running| running.instance.clone())
    }

    pub(super) fn fill(&self, running: Running) {
        *lock(&self.running) = Some(running);
    }

    pub(super) fn clear(&self) {
        *lock(&self.running) = None;
    }

    pub(super) fn log_path(&self) -> Option<PathBuf> {
        lock(&self.log_path).clone()
    }

    pub(super) fn set_log_path(&self, path: PathBuf) {
        *lock(&self.log_path) = Some(path);
    }

    /// Asks the supervisor for the end and waits for it. The caller holds the turn.
    pub(super) async fn end(&self, grace: Duration) -> Result<(), LaunchError> {
        let (pid, mut ended) = {
            let mut running = lock(&self.running);
            let Some(running) = running.as_mut() else {
                return Ok(());
            };
            if let Some(stop) = running.stop.take() {
                // A supervisor that no longer listens is at the end already.
                let _ = stop.send(());
            }
            (running.pid, running.ended.clone())
        };
        match timeout(grace + KILL_PATIENCE, ended.wait_for(|ended| *ended)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(LaunchError::StillRunning { pid }),
        }
    }
}
