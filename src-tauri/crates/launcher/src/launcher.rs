//! The trait that every way of running agents implements (`S001`).

use std::time::Duration;

use async_trait::async_trait;
use molecule_model::{Timestamp, WorkspaceId};
use tokio::sync::broadcast;

use crate::{Launch, LaunchError, Unavailable};

/// A way of running agents. One instance serves all workspaces; every method may be called for
/// many workspaces at once, and calls for one workspace take turns.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// The runtime name that selects this launcher, e.g. `local`.
    fn name(&self) -> &'static str;

    /// Whether [`start`](Self::start) has a chance right now. Asked before anything is minted
    /// (`R-58`).
    async fn available(&self) -> Result<(), Unavailable>;

    /// Starts the agent, replacing one that already runs for the same workspace. An error, or a
    /// dropped future, leaves no process, no run record and no credential file behind.
    async fn start(&self, launch: Launch) -> Result<Started, LaunchError>;

    /// Stops the agent and everything it started. `Ok` when there is none; an error when it is
    /// still there afterwards (`S224`).
    async fn stop(&self, id: WorkspaceId) -> Result<(), LaunchError>;

    /// Whether the agent is alive (`S123`). `false` for a workspace that was never launched here.
    async fn is_running(&self, id: WorkspaceId) -> Result<bool, LaunchError>;

    /// Every agent that is alive, in no particular order.
    async fn running(&self) -> Vec<Instance>;

    /// The last `tail_bytes` of the agent's console, across restarts (`S032`). Empty when it never
    /// wrote anything.
    async fn console(&self, id: WorkspaceId, tail_bytes: usize) -> Result<String, LaunchError>;

    /// At boot, before the first start: ends what a crashed server left behind (`R-51`). Touches
    /// nothing that is not provably this installation's own.
    async fn sweep(&self) -> SweepReport;

    /// Every end of an agent that [`start`](Self::start) had reported as started, at once (`S033`).
    /// A receiver that lags must ask [`is_running`](Self::is_running) for what it missed.
    fn subscribe_exits(&self) -> broadcast::Receiver<Exit>;

    /// Stops all agents, in parallel and within a bounded time, and refuses further starts.
    async fn shutdown(&self);
}

/// A successful start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Where the platform reaches the agent; it replaces whatever the agent reports (`R-34`).
    pub url: String,
    /// The process, where the launcher runs processes.
    pub pid: Option<u32>,
}

/// An agent that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The workspace that it is.
    pub workspace_id: WorkspaceId,
    /// Where the platform reaches it.
    pub url: String,
    /// The process, where the launcher runs processes.
    pub pid: Option<u32>,
    /// When it was started.
    pub started_at: Timestamp,
}

/// The end of an agent. When it is delivered, [`Launcher::is_running`] already says `false` and a
/// new start may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The workspace whose agent ended.
    pub workspace_id: WorkspaceId,
    /// Exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// Number of the signal that ended it (Unix).
    pub signal: Option<i32>,
    /// Whether the end was asked for: a stop, a replacing start, a shutdown.
    pub expected: bool,
    /// Time from the start of the process to its end.
    pub ran_for: Duration,
}

/// What [`Launcher::sweep`] found: one entry per workspace that had a run record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Something of the agent was still running and has been ended.
    pub killed: Vec<WorkspaceId>,
    /// The agent was already gone; only the stale record was removed.
    pub gone: Vec<WorkspaceId>,
    /// The recorded process number belongs to something that is not provably ours, or our process
    /// survived SIGKILL. It was left alone and the record removed.
    pub spared: Vec<WorkspaceId>,
}
