//! Starting and stopping agents: one pipeline for create, restart, resume, import and recovery (20 §7).
//!
//! Whoever wants an agent started hands in an [`Order`]; each workspace has one lane in which orders coalesce,
//! and each turn of a lane walks the chain of types in [`chain`]. The launchers are held here and nowhere else.

mod chain;
mod context;
mod crashes;
mod cycle;
mod deadline;
mod default_config;
mod environment;
mod failure;
mod files;
mod lanes;
mod order;
mod orphans;
mod recover;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use deadline::expire;
pub use default_config::{Described, default_config, default_model, quoted};
pub use failure::Failure;
pub use files::{Content, name_model, name_runtime, populate, remove};
use molecule_launcher::{LaunchError, Launcher, LocalLauncher, LocalOptions};
use molecule_model::{WorkspaceId, runtime};
use molecule_store::workspaces::{self, Workspace};
pub use order::{Order, Reason};
pub use orphans::sweep_orphans;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{App, AppError, Clock, Config, paths::Paths};

/// Between two looks for launches that took too long (20 §8.4).
const DEADLINE_SWEEP: Duration = Duration::from_secs(30);

/// Starting and stopping agents.
pub struct Provisioning {
    launchers: BTreeMap<&'static str, Arc<dyn Launcher>>,
    lanes: lanes::Lanes<Order>,
    /// Local launches at once.
    slots: Semaphore,
    crashes: crashes::Crashes,
    /// Folders that were there before the server listened.
    folders: Mutex<Vec<WorkspaceId>>,
}

/// Whether an agent of ours runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// We did not start it: whoever did knows.
    NotOurs,
    /// It runs.
    Running,
    /// It is gone.
    Gone,
    /// Its launcher does not say.
    Unknown,
}

impl Provisioning {
    /// With the launchers of this machine.
    #[must_use]
    pub fn new(config: &Config, paths: &Paths, installation: &str, clock: &Arc<dyn Clock>) -> Self {
        let (program, args) = config.agent_program.clone();
        let mut options = LocalOptions::new(program, installation, paths.workspaces());
        options.args = args;
        let clock = Arc::clone(clock);
        options.clock = Arc::new(move || clock.now());
        let local: Arc<dyn Launcher> = Arc::new(LocalLauncher::new(options));
        Self {
            launchers: [(runtime::LOCAL, local)].into(),
            lanes: lanes::Lanes::default(),
            slots: Semaphore::new(at_once()),
            crashes: crashes::Crashes::default(),
            folders: Mutex::new(recover::folders(&paths.workspaces())),
        }
    }

    fn take_folders(&self) -> Vec<WorkspaceId> {
        std::mem::take(&mut *self.folders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn launchers(&self) -> impl Iterator<Item = &Arc<dyn Launcher>> {
        self.launchers.values()
    }

    fn launcher(&self, runtime: &str) -> Option<&Arc<dyn Launcher>> {
        self.launchers.get(runtime::safe(runtime))
    }

    /// The launcher of a runtime, if it answers now.
    async fn usable(&self, runtime: &str) -> Result<Arc<dyn Launcher>, Failure> {
        let launcher = self.launcher(runtime).ok_or(Failure::NoLauncher { runtime: runtime::safe(runtime) })?;
        launcher.available().await.map_err(Failure::Unavailable)?;
        Ok(Arc::clone(launcher))
    }

    /// The first pause before an agent that ended by itself is started anew, milliseconds; for tests.
    pub fn set_first_pause(&self, millis: u64) {
        self.crashes.set_first_pause(millis);
    }

    /// Whether a launcher for this runtime answers now.
    pub async fn has_launcher(&self, runtime: &str) -> bool {
        self.usable(runtime).await.is_ok()
    }

    /// Whether some launcher runs this workspace.
    async fn is_running(&self, id: WorkspaceId) -> bool {
        for launcher in self.launchers() {
            if matches!(launcher.is_running(id).await, Ok(true)) {
                return true;
            }
        }
        false
    }

    /// Stops whatever runs for this workspace. `Ok` when nothing does (S224).
    async fn end(&self, id: WorkspaceId) -> Result<(), LaunchError> {
        for launcher in self.launchers() {
            launcher.stop(id).await?;
        }
        Ok(())
    }

    /// A restart goes on where the stop failed: the start replaces what still runs (S031).
    async fn stop_for_restart(&self, id: WorkspaceId) {
        if let Err(error) = self.end(id).await {
            tracing::error!(workspace_id = %id, %error, "LEAK-SUSPECT: an agent was not stopped before its restart");
        }
    }
}

/// min(8, 2 × cores).
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| (2 * cores.get()).min(8))
}

/// Starts the watchers.
pub fn start(app: &App) {
    for launcher in app.provisioning.launchers() {
        crashes::watch(app, Arc::clone(launcher));
    }
    let sweeping = Arc::clone(app);
    app.tasks.every("provision-timeout-sweep", DEADLINE_SWEEP, move || {
        let app = Arc::clone(&sweeping);
        async move { expire(&app).await }
    });
    let tidying = Arc::clone(app);
    app.tasks.every("orphan-sweeper", orphans::PERIOD, move || {
        let app = Arc::clone(&tidying);
        async move { sweep_orphans(&app).await }
    });
}

/// At boot: ends what a crashed server left running, then brings back which of the `known` workspaces should run.
/// They are those that were there before the server listened: the launch of a newer one is on its way already.
pub async fn recover(app: &App, known: &HashSet<WorkspaceId>) {
    recover::recover(app, known).await;
}

/// Stops every agent.
pub async fn shut_down(app: &App) {
    for launcher in app.provisioning.launchers() {
        launcher.shutdown().await;
    }
}

/// Hands in an order; answers at once (S227).
pub fn submit(app: &App, id: WorkspaceId, order: Order) {
    let worker = Arc::clone(app);
    let cycle = move |order| cycle::run(Arc::clone(&worker), id, order);
    if let Some(runner) = app.provisioning.lanes.submit(id, order, cycle) {
        app.tasks.detach("provision", runner);
    }
}

/// Starts a workspace whose row is `provisioning` already, from its config folder.
pub fn launch(app: &App, id: WorkspaceId, reason: Reason) {
    submit(app, id, Order::new(reason));
}

/// Asks for a restart by itself; bursts coalesce, and what may not be restarted is left alone (20 §3.2).
pub fn request_restart(app: &App, id: WorkspaceId) {
    submit(app, id, Order::new(Reason::Changed));
}

/// As [`request_restart`], but not in the middle of a turn: the agent finishes what it works on first, and comes up with
/// what changed (20 §9.3).
pub fn restart_when_free(app: &App, id: WorkspaceId) {
    if app.messaging.in_flight(id) == 0 {
        return request_restart(app, id);
    }
    let waiting = Arc::clone(app);
    app.tasks.detach("restart-when-free", async move {
        let stopping = waiting.tasks.stopping();
        tokio::select! {
            () = waiting.messaging.quiet(id) => request_restart(&waiting, id),
            () = stopping.cancelled() => {}
        }
    });
}

/// Starts anew what was found dead, by itself and until it runs or has failed five times (20 §3.2).
pub fn start_lost(app: &App, id: WorkspaceId) {
    submit(app, id, Order::new(Reason::Lost));
}

/// The vault is ready again: launches anew what failed for lack of a secret.
pub async fn retry_failed_for_secrets(app: &App) {
    let Ok(rows) = app.store.read(workspaces::list).await else { return };
    let waiting = rows.into_iter().filter(|row| {
        let why = row.last_sample_error.as_deref().unwrap_or_default();
        row.status == molecule_model::Status::Failed
            && [failure::GLOBAL_SECRET, failure::WORKSPACE_SECRET].contains(&why)
    });
    for row in waiting {
        request_restart(app, row.id);
    }
}

/// Whether an agent of ours runs for this workspace: what counts is our record of one, not the runtime.
pub async fn instance_state(app: &App, id: WorkspaceId) -> Instance {
    let row = match app.store.read(move |conn| workspaces::get(conn, id)).await {
        Ok(row) => row,
        Err(error) => {
            tracing::warn!(workspace_id = %id, %error, "whether an agent is ours could not be read");
            return Instance::Unknown;
        }
    };
    let Some(row) = row.filter(|row| row.launched) else { return Instance::NotOurs };
    let Some(launcher) = app.provisioning.launcher(&row.runtime) else { return Instance::Unknown };
    match launcher.is_running(id).await {
        Ok(true) => Instance::Running,
        Ok(false) => Instance::Gone,
        Err(error) => {
            tracing::warn!(workspace_id = %id, %error, "a launcher does not say whether an agent runs");
            Instance::Unknown
        }
    }
}

/// Nothing is started for a workspace while this is held.
pub struct Stopped {
    _turn: lanes::Turn,
}

/// Stops a workspace's agent and whatever is being started for it. Write its new status first: what is being
/// started looks at it and gives up.
///
/// # Errors
/// A canned text when the agent is still there afterwards; the details are in the log.
pub async fn stop(app: &App, id: WorkspaceId) -> Result<Stopped, AppError> {
    let turn = app.provisioning.lanes.interrupt(id).await;
    app.provisioning.crashes.forget(id);
    match app.provisioning.end(id).await {
        Ok(()) => Ok(Stopped { _turn: turn }),
        Err(error) => Err(AppError::internal(error.public(), &error)),
    }
}

/// Frees what is kept in memory for a deleted workspace (S226).
pub fn forget(app: &App, id: WorkspaceId) {
    app.provisioning.lanes.forget(id);
    app.provisioning.crashes.forget(id);
    app.vault.machine_delete(&format!("inbound/{id}"));
}

/// The end of an agent's console, `""` when it wrote nothing (S032). `None` when it cannot be read.
pub async fn console(app: &App, id: WorkspaceId, bytes: usize) -> Option<String> {
    let mut all = String::new();
    for launcher in app.provisioning.launchers() {
        match launcher.console(id, bytes).await {
            Ok(text) => all.push_str(&text),
            Err(error) => {
                tracing::warn!(workspace_id = %id, %error, "a console could not be read");
                return None;
            }
        }
    }
    Some(all)
}

/// What `WORKSPACE_PROVISIONING` says of a restart (20 §17).
#[must_use]
pub fn provisioning_payload(row: &Workspace) -> Value {
    json!({"name": row.name, "tier": row.tier, "runtime": row.runtime})
}

/// An agent that registered on a row that we never started: ours to leave alone.
#[must_use]
pub fn is_self_registered(row: &Workspace) -> bool {
    !row.launched && row.last_heartbeat_at.is_some()
}
