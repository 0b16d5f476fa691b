//! What the local launcher is told at its construction.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use molecule_model::Timestamp;

/// How the local launcher works; [`LocalOptions::new`] fills in what production uses.
#[derive(Clone)]
pub struct LocalOptions {
    /// The program that agents run as, absolute: normally the server's own executable.
    pub program: PathBuf,
    /// Its arguments. Never anything secret: arguments are visible to every user of the machine.
    pub args: Vec<String>,
    /// Id of this installation; marks every process that comes from it.
    pub installation: String,
    /// The folder with one folder per workspace, where [`Launcher::sweep`](crate::Launcher::sweep) looks.
    pub workspaces_root: PathBuf,
    /// How long an agent may take to say where it listens.
    pub listen_deadline: Duration,
    /// How long an agent may take to end after SIGTERM before SIGKILL.
    pub stop_grace: Duration,
    /// Size in bytes at which `agent.log` turns over.
    pub log_limit: u64,
    /// Tells the time that goes into run records.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl LocalOptions {
    /// `program agent`, 10 s to listen, 3 s to end, 2 MiB of console per file, the system's clock.
    pub fn new(
        program: impl Into<PathBuf>,
        installation: impl Into<String>,
        workspaces_root: impl Into<PathBuf>,
    ) -> Self {
        Self {
            program: program.into(),
            args: vec!["agent".to_owned()],
            installation: installation.into(),
            workspaces_root: workspaces_root.into(),
            listen_deadline: Duration::from_secs(10),
            stop_grace: Duration::from_secs(3),
            log_limit: 2 * 1024 * 1024,
            clock: Arc::new(system_clock),
        }
    }
}

impl fmt::Debug for LocalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalOptions")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("installation", &self.installation)
            .field("workspaces_root", &self.workspaces_root)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
