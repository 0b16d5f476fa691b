//! The one way to a running agent: `Requested → Prepared → Minted → Launched` (ARCHITECTURE idea 3, S005, S220).
//!
//! Each step can only be made from the one before, and a launcher takes nothing but what [`Prepared::mint`]
//! makes; so no path (create, restart, import, resume, recover) can start an agent without its files, its
//! checks, its tokens and its inbound secret.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use molecule_launcher::{Access, Credentials, Launch, LaunchSpec, Launcher, Started};
use molecule_model::{WorkspaceId, runtime, wire::WorkspaceAccess};
use molecule_store::{lifecycle, tokens, workspaces::Workspace};

use super::{
    Failure, Order, Provisioning, environment,
    files::{self, Content},
};
use crate::{
    App, auth, secrets,
    templates::{CONFIG, Folder},
    workspaces::fields::opens,
};

/// Memory of a local agent, MiB.
const MEMORY_MB: u32 = 512;
/// A start may take this long; waiting for a turn does not count (20 §7.9, R-44).
const DEADLINE: Duration = Duration::from_secs(180);

/// A workspace that is to run. Its launcher answers now.
pub(super) struct Requested {
    row: Workspace,
    launcher: Arc<dyn Launcher>,
    template: Option<Folder>,
    /// A new row's required variables are checked; a plain restart's are not (20 §7.4 step 7).
    checked: bool,
}

impl Requested {
    /// Asks for the launcher first: without one nothing of the workspace is touched.
    pub(super) async fn new(provisioning: &Provisioning, row: Workspace, order: &Order) -> Result<Self, Failure> {
        let launcher = provisioning.usable(&row.runtime).await?;
        let checked = order.template.is_some() || order.reason == super::Reason::Created;
        Ok(Self { row, launcher, template: order.template.clone(), checked })
    }

    /// Files in place, environment together, checks passed.
    pub(super) async fn prepare(self, app: &App) -> Result<Prepared, Failure> {
        let id = self.row.id;
        let configs = app.paths.configs(id);
        let config = fill(app, &self.row, self.template, configs.clone()).await?;
        let secrets = secrets::environment(app, id).await.map_err(|_| Failure::GlobalSecret)?;
        let env = environment::assemble(&self.row, &secrets, &config)?;
        if self.checked {
            let missing = environment::missing(&config, &env);
            if !missing.is_empty() {
                return Err(Failure::Missing(missing));
            }
        }
        let (workspace_dir, workspace_access) = folder(app, &self.row)?;
        let spec = LaunchSpec {
            workspace_id: id,
            name: self.row.name.clone(),
            config_dir: configs,
            workspace_dir,
            workspace_access,
            env,
            memory_mb: MEMORY_MB,
            log_path: app.paths.agent_log(id),
            state_path: app.paths.run_state(id),
        };
        Ok(Prepared { spec, launcher: self.launcher, launched_before: self.row.launched })
    }
}

/// Ready but for its credentials.
pub(super) struct Prepared {
    spec: LaunchSpec,
    launcher: Arc<dyn Launcher>,
    launched_before: bool,
}

impl Prepared {
    /// Revokes every live token and issues a bearer and a capability base URL, in one transaction (20 §7.8, R-32).
    pub(super) async fn mint(self, app: &App) -> Result<Minted, Failure> {
        let id = self.spec.workspace_id;
        let (bearer, capability) = (auth::fresh(), auth::fresh());
        let minted = Tokens {
            ids: vec![bearer.id().to_owned(), capability.id().to_owned()],
            launched_before: self.launched_before,
        };
        let rows = (bearer.row(false), capability.row(true));
        let claimed = app
            .store
            .write(move |tx| {
                if !lifecycle::claim(tx, id)? {
                    return Ok(false);
                }
                tokens::revoke_all(tx, id)?;
                tokens::issue(tx, id, &rows.0)?;
                tokens::issue(tx, id, &rows.1)?;
                Ok(true)
            })
            .await;
        match claimed {
            Ok(true) => {}
            Ok(false) => return Err(Failure::Stopped),
            Err(error) => {
                tracing::error!(workspace_id = %id, %error, "credentials of a launch could not be stored");
                return Err(Failure::Mint);
            }
        }
        app.auth.forget();
        let credentials = Credentials {
            auth_token: bearer.secret(),
            inbound_secret: auth::mint_inbound_secret(app, id),
            platform_url: auth::capability_url(app, capability.expose()).into(),
        };
        Ok(Minted { launch: Launch::new(self.spec, credentials), launcher: self.launcher, minted })
    }
}

/// What a failed launch takes back.
struct Tokens {
    ids: Vec<String>,
    launched_before: bool,
}

/// The only thing that can be started.
pub(super) struct Minted {
    launch: Launch,
    launcher: Arc<dyn Launcher>,
    minted: Tokens,
}

impl Minted {
    /// Starts it and notes where it answers. A start that fails revokes what was minted.
    pub(super) async fn start(self, app: &App) -> Result<Launched, Failure> {
        let id = self.launch.spec().workspace_id;
        let starting = tokio::time::timeout(DEADLINE, self.launcher.start(self.launch)).await;
        match starting.map_or(Err(Failure::Late), |started| started.map_err(Failure::Start)) {
            Ok(started) => Launched { id, started, launcher: self.launcher }.note(app).await,
            Err(failure) => {
                let Tokens { ids, launched_before } = self.minted;
                let undone = app.store.write(move |tx| lifecycle::unclaim(tx, id, &ids, launched_before)).await;
                if let Err(error) = undone {
                    tracing::error!(workspace_id = %id, %error, "credentials of a failed launch stay valid");
                }
                app.auth.forget();
                Err(failure)
            }
        }
    }
}

/// A running agent. Its workspace stays `provisioning` until it registers (20 §7.10).
pub(super) struct Launched {
    id: WorkspaceId,
    started: Started,
    launcher: Arc<dyn Launcher>,
}

impl Launched {
    /// Stores its address; stops it again where the workspace was stopped meanwhile.
    async fn note(self, app: &App) -> Result<Self, Failure> {
        let (id, url) = (self.id, self.started.url.clone());
        let noted = app.store.write(move |tx| lifecycle::launched(tx, id, &url)).await;
        if matches!(noted, Ok(true)) {
            return Ok(self);
        }
        if let Err(error) = self.launcher.stop(id).await {
            tracing::error!(workspace_id = %id, %error, "an agent that nobody wants any more could not be stopped");
        }
        match noted {
            Err(error) => {
                tracing::error!(workspace_id = %id, %error, "the address of an agent could not be stored");
                Err(Failure::Mint)
            }
            Ok(_) => Err(Failure::Stopped),
        }
    }

    /// Its process.
    pub(super) const fn pid(&self) -> Option<u32> {
        self.started.pid
    }
}

/// Fills the config folder and answers the `config.yaml` that the agent will read (20 §7.5).
async fn fill(app: &App, row: &Workspace, template: Option<Folder>, configs: PathBuf) -> Result<String, Failure> {
    let (id, safe) = (row.id, runtime::safe(&row.runtime));
    let templates = app.templates.clone();
    let work = move || {
        if let Some(folder) = template {
            files::populate(&configs, &Content { folder: Some(folder), ..Content::default() })?;
            files::name_runtime(&configs, safe)?;
        }
        let config = configs.join(CONFIG);
        if !config.is_file() {
            // A wiped folder would fail for ever: take the runtime's own template again.
            let fallback = templates.runtime_default(safe).map(|(_, folder)| folder);
            let fallback = fallback.or_else(|| templates.find(safe).ok().flatten());
            let Some(folder) = fallback else { return Ok(None) };
            tracing::warn!(workspace_id = %id, "the config folder has no config.yaml; the runtime's template fills it");
            files::populate(&configs, &Content { folder: Some(folder), ..Content::default() })?;
        }
        fs::read(&config).map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned()))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(Some(text))) => Ok(text),
        Ok(Ok(None)) => Err(Failure::NoConfig(id)),
        Ok(Err(error)) => {
            tracing::error!(workspace_id = %id, %error, "the config folder could not be filled");
            Err(Failure::Files)
        }
        Err(error) => {
            tracing::error!(workspace_id = %id, %error, "filling the config folder panicked");
            Err(Failure::Files)
        }
    }
}

/// The folder that the agent works in: the person's, if it was given with an access, else its own (20 §7.6).
fn folder(app: &App, row: &Workspace) -> Result<(PathBuf, Access), Failure> {
    let given = row.workspace_dir.as_deref().filter(|dir| !dir.is_empty());
    let (dir, access) = match (given, row.workspace_access) {
        (Some(dir), WorkspaceAccess::ReadOnly) => (PathBuf::from(dir), Access::ReadOnly),
        (Some(dir), WorkspaceAccess::ReadWrite) => (PathBuf::from(dir), Access::ReadWrite),
        _ => return Ok((app.paths.private_workspace(row.id), Access::ReadWrite)),
    };
    // Looked at again here, where every path of a launch comes through: a link may have been put in its place.
    if opens(&dir, app.paths.root()) { Err(Failure::Folder) } else { Ok((dir, access)) }
}
