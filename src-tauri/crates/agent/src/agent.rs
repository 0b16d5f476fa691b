//! Everything that one agent is made of; handed around as `Arc<Agent>`.

use std::path::PathBuf;
use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::config::AgentConfig;
use crate::files::{Folder, Uploads};
use crate::platform::Platform;
use crate::presence::Presence;
use crate::turns::{Memory, Turns};

/// One agent.
pub(crate) struct Agent {
    pub config: AgentConfig,
    pub platform: Platform,
    pub presence: Presence,
    /// Set once the platform knows where this agent answers.
    pub registered: CancellationToken,
    pub turns: Turns,
    /// What was said before, by conversation.
    pub memory: Memory,
    /// The person's folder, where there is one that can be opened.
    pub folder: Option<Folder>,
    /// The agent's own configuration, to read only.
    pub configs: Option<Folder>,
    uploads: OnceLock<Option<Uploads>>,
}

impl Agent {
    pub(crate) fn new(config: AgentConfig) -> anyhow::Result<Self> {
        let open = |path: &PathBuf, what: &str, opened: std::io::Result<Folder>| {
            opened
                .inspect_err(|error| tracing::warn!(what, kind = ?error.kind(), shown = path.is_absolute(), "a folder cannot be opened"))
                .ok()
        };
        let own_data = config.own_data();
        let folder = config
            .folder
            .as_ref()
            .and_then(|given| open(&given.path, "workspace", Folder::open(&given.path, own_data.as_deref())));
        let configs = open(&config.config_dir, "config", Folder::open_config(&config.config_dir));
        Ok(Self {
            platform: Platform::new(&config)?,
            presence: Presence::default(),
            registered: CancellationToken::new(),
            turns: Turns::default(),
            memory: Memory::in_folder(&config.config_dir),
            folder,
            configs,
            uploads: OnceLock::new(),
            config,
        })
    }

    /// Where chat files are kept; made when first needed.
    pub(crate) fn uploads(&self) -> Option<&Uploads> {
        let open = || {
            let opened = match (&self.folder, &self.configs) {
                (Some(folder), _) if self.may_write() => Uploads::in_folder(folder),
                (_, Some(config)) => Uploads::in_config(config),
                _ => return None,
            };
            opened.inspect_err(|error| tracing::warn!(kind = ?error.kind(), "no place for chat files")).ok()
        };
        self.uploads.get_or_init(open).as_ref()
    }

    /// Whether files may be changed.
    pub(crate) fn may_write(&self) -> bool {
        self.folder.is_some() && self.config.folder.as_ref().is_some_and(|folder| folder.writable)
    }

    /// Whether commands may be run: not where they would have Molecule's own data in reach, and only
    /// where there is a shell.
    pub(crate) fn may_run(&self) -> bool {
        cfg!(unix) && self.may_write() && self.folder.as_ref().is_some_and(|folder| !folder.holds_own_data())
    }
}
