//! One agent's process group, from its first moment to the reaping of its last process.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::environment::Environment;
use super::lock;
use super::process::{Signal, signal_group};
use crate::LaunchError;

/// What to execute.
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) args: &'a [String],
    pub(super) environment: &'a Environment,
    pub(super) current_dir: &'a Path,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        Self { code: status.code(), signal }
    }
}

/// A started agent. Dropping it kills the whole group.
pub(super) struct AgentProcess {
    child: Child,
    pid: u32,
    /// Held open for as long as the agent shall live: its end tells the agent that the server is
    /// gone, however the server went.
    stdin: Option<ChildStdin>,
    reaped: bool,
}

/// Starts are made one at a time: where close-on-exec is set after a pipe is made (macOS), a
/// simultaneous fork would inherit another agent's stdin and keep it open.
static FORK: Mutex<()> = Mutex::new(());

impl AgentProcess {
    pub(super) fn spawn(program: &Program<'_>) -> Result<(Self, ChildStdout, ChildStderr), LaunchError> {
        let mut command = Command::new(program.path);
        command
            .args(program.args)
            .env_clear()
            .envs(program.environment)
            .current_dir(program.current_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let spawned = {
            let _alone = lock(&FORK);
            command.spawn()
        };
        let mut child = spawned.map_err(LaunchError::Spawn)?;
        let ends = (child.id(), child.stdout.take(), child.stderr.take());
        let (Some(pid), Some(stdout), Some(stderr)) = ends else {
            return Err(LaunchError::Spawn(std::io::Error::other("process without pipes")));
        };
        let stdin = child.stdin.take();
        Ok((Self { child, pid, stdin, reaped: false }, stdout, stderr))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the agent to end by itself, then ends what it left in its group. May be dropped
    /// and called again.
    pub(super) async fn wait(&mut self) -> End {
        let status = self.child.wait().await;
        if !self.reaped {
            // No pause since the reaping: the number cannot have been given away yet.
            self.reaped = true;
            signal_group(self.pid, Signal::Kill);
        }
        status.map(End::from).unwrap_or_else(|error| {
            tracing::error!(pid = self.pid, %error, "how an agent ended cannot be known");
            End { code: None, signal: None }
        })
    }

    /// Closes the agent's stdin: it is to end by itself.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// SIGTERM, `grace`, SIGKILL.
    pub(super) async fn end(&mut self, grace: Duration) -> End {
        if cfg!(unix) {
            signal_group(self.pid, Signal::Terminate);
        } else {
            self.hang_up();
        }
        self.end_within(grace).await
    }

    /// Waits `grace` for the end, then brings it about.
    pub(super) async fn end_within(&mut self, grace: Duration) -> End {
        match timeout(grace, self.wait()).await {
            Ok(end) => end,
            Err(_) => self.kill().await,
        }
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self) -> End {
        self.kill_now();
        self.wait().await
    }

    fn kill_now(&mut self) {
        if !self.reaped {
            signal_group(self.pid, Signal::Kill);
            // Where there are no groups. An error means that it has ended.
            let _ = self.child.start_kill();
        }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        self.kill_now();
    }
}
