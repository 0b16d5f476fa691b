//! The task that owns a running agent and tells the world when it ends.

use std::path::PathBuf;
use std::sync::Weak;
use std::time::{Duration, Instant};

use molecule_model::WorkspaceId;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agent_process::AgentProcess;
use super::private_file;
use super::slot::Slot;
use crate::Exit;

/// How long the rest of the console may take after the end: a process that left the agent's group
/// can hold its stderr open for ever.
pub(super) const DRAIN_PATIENCE: Duration = Duration::from_millis(250);

pub(super) struct Supervisor {
    pub(super) workspace_id: WorkspaceId,
    pub(super) process: AgentProcess,
    pub(super) started: Instant,
    pub(super) grace: Duration,
    pub(super) console: JoinHandle<()>,
    pub(super) state_path: PathBuf,
    /// Weak, so that dropping the launcher drops the slot, which hangs up here.
    pub(super) slot: Weak<Slot>,
    pub(super) stop: oneshot::Receiver<()>,
    pub(super) ended: watch::Sender<bool>,
    pub(super) exits: broadcast::Sender<Exit>,
}

impl Supervisor {
    /// Ends when the agent has. Order matters: first the traces go, then the launcher says "not
    /// running", then it tells; so that whoever is told may start the next one at once.
    pub(super) async fn run(mut self) {
        let (end, expected) = tokio::select! {
            biased;
            end = self.process.wait() => (end, false),
            stop = &mut self.stop => (self.bring_about_end(stop.is_ok()).await, true),
        };
        let ran_for = self.started.elapsed();
        let _ = timeout(DRAIN_PATIENCE, &mut self.console).await;
        if let Err(error) = private_file::remove(&self.state_path) {
            tracing::warn!(workspace_id = %self.workspace_id, %error, "run record not removed");
        }
        if let Some(slot) = self.slot.upgrade() {
            slot.clear();
        }
        tracing::info!(
            workspace_id = %self.workspace_id,
            pid = self.process.pid(),
            code = end.code,
            signal = end.signal,
            expected,
            elapsed_ms = u64::try_from(ran_for.as_millis()).unwrap_or(u64::MAX),
            "agent ended"
        );
        let exit = Exit { workspace_id: self.workspace_id, code: end.code, signal: end.signal, expected, ran_for };
        // Nobody listening is fine.
        let _ = self.exits.send(exit);
        self.ended.send_replace(true);
    }

    async fn bring_about_end(&mut self, asked: bool) -> super::agent_process::End {
        if asked {
            self.process.end(self.grace).await
        } else {
            self.process.hang_up();
            self.process.end_within(self.grace).await
        }
    }
}
