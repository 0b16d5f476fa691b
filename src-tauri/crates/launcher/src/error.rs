//! What can go wrong with a launch.
//!
//! Every error has two faces: [`LaunchError::public`] and [`LaunchError::code`] are canned and may
//! reach clients, events and `last_sample_error`; `Display` holds the details (paths, operating
//! system errors, console output) and is for the server log only (`S011`, 20 §7.9).

use std::io;
use std::time::Duration;

/// Why a launcher cannot start anything right now (`R-58`). A normal state, not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The program that agents run as is not where it was when Molecule started.
    #[error("the agent program was moved or replaced; quit Molecule and open it again")]
    ProgramMissing,
    /// [`Launcher::shutdown`](crate::Launcher::shutdown) was called.
    #[error("Molecule is shutting down")]
    ShuttingDown,
}

impl Unavailable {
    /// Stable machine-readable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProgramMissing => "agent_program_missing",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// Canned sentence for the person who can act.
    pub const fn public(self) -> &'static str {
        match self {
            Self::ProgramMissing => "the agent program was moved or replaced; quit Molecule and open it again",
            Self::ShuttingDown => "Molecule is shutting down",
        }
    }
}

/// Why an agent was not started, stopped or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The launcher cannot work right now; nothing was touched.
    #[error("no usable launcher: {0}")]
    Unavailable(#[from] Unavailable),
    /// A credential is empty; nothing was touched.
    #[error("refused to start without complete credentials")]
    IncompleteCredentials,
    /// A variable's name or value cannot be in a process environment.
    #[error("variable {name:?} cannot be passed to a process")]
    Environment {
        /// Name of the variable; may be the name of a secret, hence for the log only.
        name: String,
    },
    /// The workspace folder is not there.
    #[error("workspace folder is missing or unreadable: {0}")]
    WorkspaceFolder(#[source] io::Error),
    /// A file of the launcher's own could not be written or read.
    #[error("{what}: {source}")]
    Files {
        /// Which step failed.
        what: &'static str,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The operating system refused to start the program.
    #[error("could not start the agent program: {0}")]
    Spawn(#[source] io::Error),
    /// The agent ended before it said where it listens.
    #[error("agent exited early (code {code:?}, signal {signal:?}); its console says why")]
    ExitedEarly {
        /// Exit code, unless a signal ended it.
        code: Option<i32>,
        /// Number of the signal that ended it (Unix).
        signal: Option<i32>,
        /// The last of what this run wrote to its console. Not part of `Display`: an agent may
        /// print anything.
        tail: String,
    },
    /// The agent did not say in time where it listens.
    #[error("agent did not report a listening address within {0:?}")]
    NeverListened(Duration),
    /// The first line of the agent was not the expected one.
    #[error("agent's first line ({} bytes) is not a loopback listening address", .0.len())]
    BadListeningLine(String),
    /// The process is still there after it was killed.
    #[error("process {pid} is still there after SIGKILL")]
    StillRunning {
        /// The process in question.
        pid: u32,
    },
}

impl LaunchError {
    /// Stable machine-readable name.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(reason) => reason.code(),
            Self::IncompleteCredentials => "credentials_incomplete",
            Self::Environment { .. } => "environment_invalid",
            Self::WorkspaceFolder(_) => "workspace_folder_missing",
            Self::Files { .. } => "workspace_files_failed",
            Self::Spawn(_) => "agent_not_started",
            Self::ExitedEarly { .. } => "agent_exited_early",
            Self::NeverListened(_) => "agent_not_ready",
            Self::BadListeningLine(_) => "agent_not_understood",
            Self::StillRunning { .. } => "agent_not_stopped",
        }
    }

    /// Canned sentence for the person who can act: no path, no name of a secret, no text of the
    /// operating system or the agent.
    pub const fn public(&self) -> &'static str {
        match self {
            Self::Unavailable(reason) => reason.public(),
            Self::IncompleteCredentials => "workspace start failed",
            Self::Environment { .. } => {
                "workspace start failed: a secret has a name or a value that cannot be passed to an \
                 agent; the server log names it"
            }
            Self::WorkspaceFolder(_) => {
                "workspace start failed: the workspace folder is missing or cannot be read; choose \
                 another folder or restore it"
            }
            Self::Files { .. } => {
                "workspace start failed: the workspace's files could not be written or read; check \
                 free disk space"
            }
            Self::Spawn(_) => "workspace start failed: the agent could not be started",
            Self::ExitedEarly { .. } => {
                "workspace start failed: the agent stopped before it was ready; see its console"
            }
            Self::NeverListened(_) => "workspace start failed: the agent was not ready in time; see its console",
            Self::BadListeningLine(_) => "workspace start failed: the agent did not report a usable address",
            Self::StillRunning { .. } => "the agent could not be stopped; restart the computer",
        }
    }
}

impl LaunchError {
    pub(crate) fn files(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Files { what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S011`: whatever the operating system or the agent said stays in the log.
    #[test]
    fn public_texts_carry_no_details() {
        let secret = "/home/someone/.secret OPENAI_API_KEY";
        let io = || io::Error::other(secret);
        let errors = [
            LaunchError::Unavailable(Unavailable::ProgramMissing),
            LaunchError::IncompleteCredentials,
            LaunchError::Environment { name: secret.into() },
            LaunchError::WorkspaceFolder(io()),
            LaunchError::Files { what: "credentials", source: io() },
            LaunchError::Spawn(io()),
            LaunchError::ExitedEarly { code: Some(3), signal: None, tail: secret.into() },
            LaunchError::NeverListened(Duration::from_secs(10)),
            LaunchError::BadListeningLine(secret.into()),
            LaunchError::StillRunning { pid: 7 },
        ];
        let mut codes = std::collections::BTreeSet::new();
        for error in &errors {
            assert!(!error.public().contains('/'), "{}", error.public());
            assert!(!error.public().contains("OPENAI"), "{}", error.public());
            assert!(codes.insert(error.code()), "{} is used twice", error.code());
        }
    }
}
