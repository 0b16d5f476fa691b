//! The `local` launcher: each agent is a child process of the server, on its own loopback port.

mod agent_process;
mod console_log;
mod credential_files;
mod environment;
mod listening;
mod options;
mod private_file;
mod process;
mod run_record;
mod slot;
mod start;
mod supervisor;
mod sweep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use molecule_model::WorkspaceId;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use self::environment::Environment;
pub use self::options::LocalOptions;
use self::slot::Slot;
use crate::{Exit, Instance, Launch, LaunchError, Launcher, Started, SweepReport, Unavailable};

/// Exits that a slow subscriber may be behind before it loses the oldest.
const EXIT_BACKLOG: usize = 1024;

/// Runs agents as child processes. Dropping it ends them (their stdin closes, then SIGKILL).
pub struct LocalLauncher {
    inner: Arc<Inner>,
}

struct Inner {
    options: LocalOptions,
    inherited: Environment,
    slots: Mutex<HashMap<WorkspaceId, Arc<Slot>>>,
    exits: broadcast::Sender<Exit>,
    closed: watch::Sender<bool>,
}

impl LocalLauncher {
    /// Takes note of the server's environment; starts nothing.
    pub fn new(options: LocalOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                options,
                inherited: environment::inherited(),
                slots: Mutex::default(),
                exits: broadcast::Sender::new(EXIT_BACKLOG),
                closed: watch::Sender::new(false),
            }),
        }
    }
}

impl Inner {
    fn slot(&self, id: WorkspaceId) -> Arc<Slot> {
        Arc::clone(lock(&self.slots).entry(id).or_default())
    }

    /// Without making one for a workspace that was never here.
    fn known_slot(&self, id: WorkspaceId) -> Option<Arc<Slot>> {
        lock(&self.slots).get(&id).map(Arc::clone)
    }

    fn all_slots(&self) -> Vec<Arc<Slot>> {
        lock(&self.slots).values().map(Arc::clone).collect()
    }

    fn is_closing(&self) -> bool {
        *self.closed.borrow()
    }

    /// Resolves when the launcher is shut down.
    async fn closing(&self) {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    fn available(&self) -> Result<(), Unavailable> {
        if self.is_closing() {
            Err(Unavailable::ShuttingDown)
        } else if !self.options.program.is_file() {
            Err(Unavailable::ProgramMissing)
        } else {
            Ok(())
        }
    }

    async fn start(&self, launch: &Launch) -> Result<Started, LaunchError> {
        let id = launch.spec().workspace_id;
        let slot = self.slot(id);
        let _turn = slot.turn.lock().await;
        self.available()?;
        if !launch.credentials().are_complete() {
            return Err(LaunchError::IncompleteCredentials);
        }
        slot.end(self.options.stop_grace).await?;
        sweep::one(self, id, &launch.spec().state_path).await;
        start::start(self, &slot, launch).await
    }

    async fn stop(&self, slot: &Slot) -> Result<(), LaunchError> {
        let _turn = slot.turn.lock().await;
        slot.end(self.options.stop_grace).await
    }
}

#[async_trait]
impl Launcher for LocalLauncher {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn available(&self) -> Result<(), Unavailable> {
        self.inner.available()
    }

    async fn start(&self, launch: Launch) -> Result<Started, LaunchError> {
        let workspace_id = launch.spec().workspace_id;
        let began = Instant::now();
        // S008: one line before any work, one at the end whatever happens.
        tracing::info!(%workspace_id, "starting agent");
        let result = self.inner.start(&launch).await;
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(Started { url, pid }) => {
                tracing::info!(%workspace_id, url, pid, elapsed_ms, "agent started");
            }
            Err(error) => {
                let code = error.code();
                tracing::warn!(%workspace_id, code, %error, elapsed_ms, "agent not started");
            }
        }
        result
    }

    async fn stop(&self, id: WorkspaceId) -> Result<(), LaunchError> {
        match self.inner.known_slot(id) {
            Some(slot) => self.inner.stop(&slot).await,
            None => Ok(()),
        }
    }

    async fn is_running(&self, id: WorkspaceId) -> Result<bool, LaunchError> {
        let pid = self.inner.known_slot(id).and_then(|slot| slot.pid());
        Ok(pid.is_some_and(|pid| !process::has_exited(pid)))
    }

    async fn running(&self) -> Vec<Instance> {
        self.inner.all_slots().iter().filter_map(|slot| slot.instance()).collect()
    }

    async fn console(&self, id: WorkspaceId, tail_bytes: usize) -> Result<String, LaunchError> {
        let path = self
            .inner
            .known_slot(id)
            .and_then(|slot| slot.log_path())
            .unwrap_or_else(|| self.inner.options.workspaces_root.join(id.to_string()).join("agent.log"));
        console_log::tail(&path, tail_bytes as u64).await.map_err(LaunchError::files("read console log"))
    }

    async fn sweep(&self) -> SweepReport {
        sweep::all(&self.inner).await
    }

    fn subscribe_exits(&self) -> broadcast::Receiver<Exit> {
        self.inner.exits.subscribe()
    }

    async fn shutdown(&self) {
        self.inner.closed.send_replace(true);
        let mut stops = JoinSet::new();
        for slot in self.inner.all_slots() {
            let inner = Arc::clone(&self.inner);
            stops.spawn(async move { inner.stop(&slot).await });
        }
        while let Some(stopped) = stops.join_next().await {
            match stopped {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "agent not stopped at shutdown"),
                Err(error) => tracing::error!(%error, "stop task failed at shutdown"),
            }
        }
    }
}

/// A panic while a lock was held leaves data that is still whole here: each holder makes one
/// assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod testing {
    //! Launches for unit tests.

    use std::path::Path;

    use molecule_model::WorkspaceId;

    use crate::{Access, Credentials, Launch, LaunchSpec};

    pub(crate) fn workspace_id(number: u8) -> WorkspaceId {
        format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
    }

    pub(crate) fn launch(workspace_id: WorkspaceId, home: &Path) -> Launch {
        let spec = LaunchSpec {
            workspace_id,
            name: "Researcher".into(),
            config_dir: home.join("configs"),
            workspace_dir: home.join("workspace"),
            workspace_access: Access::ReadWrite,
            env: [].into(),
            memory_mb: 512,
            log_path: home.join("agent.log"),
            state_path: home.join("run.json"),
        };
        let credentials = Credentials {
            auth_token: "token".into(),
            inbound_secret: "inbound".into(),
            platform_url: "http://127.0.0.1:1/as/capability".into(),
        };
        Launch::new(spec, credentials)
    }
}
