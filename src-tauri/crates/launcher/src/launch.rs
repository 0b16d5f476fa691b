//! What is launched, and the proof that it may be.

use std::collections::BTreeMap;
use std::path::PathBuf;

use molecule_model::WorkspaceId;
use secrecy::{ExposeSecret, SecretString};

/// What an agent may do to its workspace folder (20 §7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Look, but leave everything as it is.
    ReadOnly,
    /// Create, change and delete.
    ReadWrite,
}

impl Access {
    /// The value of `MOLECULE_WORKSPACE_ACCESS` and of a workspace's `workspace_access`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::ReadWrite => "read_write",
        }
    }
}

/// One agent to run: where its files are, what it gets in its environment.
///
/// The `Debug` form shows names and paths, never the value of a variable.
#[derive(Debug, Clone)]
pub struct LaunchSpec {
    /// The workspace that the agent is.
    pub workspace_id: WorkspaceId,
    /// Its name as people see it.
    pub name: String,
    /// Its `/configs` (`R-107`), absolute. Must exist and be populated before the start (20 §7.7).
    pub config_dir: PathBuf,
    /// Its `/workspace`, absolute: the private folder, or the one the user chose.
    pub workspace_dir: PathBuf,
    /// What it may do in `workspace_dir`.
    pub workspace_access: Access,
    /// Secrets, identity, model, tier and the like, assembled in the order of 20 §7.4. A name that
    /// the launcher sets too wins over the launcher's own value, as that section wants.
    pub env: BTreeMap<String, SecretString>,
    /// Memory limit in MiB.
    pub memory_mb: u32,
    /// Where the agent's console goes (`agent.log`; its older half is beside it as `agent.log.1`).
    pub log_path: PathBuf,
    /// Where the launcher notes what it started (`run.json`).
    pub state_path: PathBuf,
}

/// What an agent needs to be believed by its platform, and its platform by the agent (20 §7.8).
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Workspace → platform bearer; becomes `.auth_token`.
    pub auth_token: SecretString,
    /// Platform → workspace bearer; becomes `.platform_inbound_secret`.
    pub inbound_secret: SecretString,
    /// Base URL of the platform as this agent alone may call it; becomes `PLATFORM_URL` and
    /// `MOLECULE_URL`.
    pub platform_url: SecretString,
}

impl Credentials {
    /// An empty secret is no secret: it must never be used as a bearer (20 §7.8).
    pub(crate) fn are_complete(&self) -> bool {
        [&self.auth_token, &self.inbound_secret, &self.platform_url]
            .into_iter()
            .all(|secret| !secret.expose_secret().is_empty())
    }
}

/// A launch with its credentials: the only thing that [`Launcher::start`](crate::Launcher::start)
/// accepts, so that no path can start an agent without minting for it (`S005`, `S220`).
#[derive(Debug, Clone)]
pub struct Launch {
    spec: LaunchSpec,
    credentials: Credentials,
}

impl Launch {
    /// Joins what to run with what was minted for it. There is no other constructor.
    pub fn new(spec: LaunchSpec, credentials: Credentials) -> Self {
        Self { spec, credentials }
    }

    /// What to run.
    pub fn spec(&self) -> &LaunchSpec {
        &self.spec
    }

    /// What was minted for it.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}
