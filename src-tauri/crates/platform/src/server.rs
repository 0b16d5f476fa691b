//! Starting and stopping the server: listen first, recover second (ARCHITECTURE idea 6).

use std::{
    collections::HashSet,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use molecule_model::WorkspaceId;
use molecule_store::{
    Store,
    migrate::OpenError,
    outbox,
    owner::{Owner, OwnerError},
    rusqlite::{Connection, OptionalExtension},
};
use molecule_vault::{KeychainChoice, Vault, VaultError, VaultOptions};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    App, Clock, Config, Platform, SystemClock,
    auth::{self, Auth},
    config::PortChoice,
    endpoint::{self, BindError, write_private},
    events::Bus,
    http, messaging,
    outward::Outward,
    paths::Paths,
    provisioning, registry, secrets,
    tasks::Tasks,
    templates, workspaces,
};

/// How long detached work may take after the server was told to stop.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Why the server did not start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made or written.
    #[error("the data directory {path} cannot be written: {source}. Choose another with MOLECULE_HOME")]
    DataDirectory {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database cannot be read.
    #[error("the database cannot be read: {0}")]
    Store(#[from] molecule_store::Error),
    /// The vault cannot be opened.
    #[error("the secrets cannot be opened: {0}")]
    Vault(#[from] VaultError),
    /// The port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

/// A running server. Dropping it does not stop it: call [`Server::stop`].
pub struct Server {
    /// Its platform.
    pub app: App,
    serving: JoinHandle<()>,
    _owner: Owner,
}

impl Server {
    /// A one-time link that opens the canvas.
    #[must_use]
    pub fn link(&self) -> String {
        format!("{}/#ticket={}", self.app.endpoint.url(), self.app.auth.tickets.issue(self.app.now()))
    }

    /// Stops taking requests, stops agents and background work, and closes the database.
    pub async fn stop(self) {
        let started = Instant::now();
        self.app.tasks.stopping().cancel();
        provisioning::shut_down(&self.app).await;
        if tokio::time::timeout(LAST_WORK, self.serving).await.is_err() {
            tracing::warn!("open connections were cut off");
        }
        self.app.tasks.shut_down(LAST_WORK).await;
        if let Err(error) = self.app.vault.close().await {
            tracing::error!(%error, "the vault did not close cleanly");
        }
        self.app.store.close().await;
        drop(std::fs::remove_file(self.app.paths.endpoint()));
        tracing::info!(elapsed_ms = started.elapsed().as_millis(), "server stopped");
    }
}

/// Starts a server on the machine's own clock.
///
/// # Errors
/// [`StartError`] says what is missing and what to do about it.
pub async fn start(config: Config) -> Result<Server, StartError> {
    start_with(config, Arc::new(SystemClock)).await
}

/// Starts a server on a clock that the caller moves.
///
/// # Errors
/// As [`start`].
pub async fn start_with(config: Config, clock: Arc<dyn Clock>) -> Result<Server, StartError> {
    let began = Instant::now();
    config.log();
    let paths = Paths::new(&config.data_dir);
    prepare(paths.root())?;
    let owner = Owner::take(paths.root())?;
    let bus = Bus::default();
    let store = {
        let (clock, bus) = (Arc::clone(&clock), bus.clone());
        Store::open(
            &paths.database(),
            Arc::new(move || clock.now()),
            Arc::new(move |events| bus.publish_committed(events)),
        )?
    };
    bus.set_last_seq(store.read(outbox::last_seq).await?);
    let installation = installation_id(&store).await?;
    let vault = open_vault(&config, &installation).await?;
    let kept = kept_port(&store).await?;
    let (listener, endpoint) = endpoint::bind(config.port, kept).await?;
    if config.port == PortChoice::Default {
        keep_port(&store, endpoint.port).await?;
    }
    let admin = admin_tokens(&paths, &config).map_err(|source| unusable(paths.root(), source))?;
    let outward = Outward::new()?;
    // Before anybody can make one: what comes later is no leftover, and its own launch takes care of it.
    let known = store.read(molecule_store::workspaces::ids).await?;
    let tasks = Tasks::new(Arc::clone(&clock));
    let app: App = Arc::new(Platform {
        provisioning: provisioning::Provisioning::new(&config, &paths, &installation, &clock),
        templates: templates::Templates::new(&config, &paths),
        presence: registry::Presence::default(),
        beats: registry::Beats::default(),
        messaging: messaging::Messaging::new(&config, &endpoint),
        search: crate::activity::Search::default(),
        mcp: crate::mcp::Limit::default(),
        metrics: http::metrics::Metrics::default(),
        auth: Auth::new(admin),
        installation,
        writing: secrets::Writing::default(),
        recovering: crate::tasks::Recovering::default(),
        paths,
        clock,
        store,
        vault,
        bus,
        tasks,
        endpoint,
        outward,
        config,
    });
    let serving = serve(listener, Arc::clone(&app));
    endpoint::publish(&app.paths.endpoint(), &app.endpoint).map_err(|source| unusable(app.paths.root(), source))?;
    tracing::info!(port = app.endpoint.port, elapsed_ms = began.elapsed().as_millis(), "listening");
    recover(&app, known);
    Ok(Server { app, serving, _owner: owner })
}

/// What is done once the server answers: a step that hangs is seen in `/health` and blocks nothing, not even the
/// other steps (R5). `known` are the workspaces of earlier runs.
fn recover(app: &App, known: HashSet<WorkspaceId>) {
    registry::start(app);
    provisioning::start(app);
    workspaces::hibernation::start(app);
    templates::start(app);
    secrets::start(app);
    crate::approvals::start(app);
    crate::activity::start(app);
    recover_step(app, "presence", |app| async move { registry::recover(&app).await });
    recover_step(app, "messages", |app| async move { messaging::recover(&app).await });
    recover_step(app, "agents", |app| async move { provisioning::recover(&app, &known).await });
}

fn recover_step<W>(app: &App, name: &'static str, step: impl FnOnce(App) -> W + Send + 'static)
where
    W: Future<Output = ()> + Send + 'static,
{
    app.recovering.begin(name);
    let app = Arc::clone(app);
    app.clone().tasks.detach("recover", async move {
        if app.config.hanging_step.as_deref() == Some(name) {
            tracing::warn!(step = name, "this recovery step hangs, as MOLECULE_TEST_HANGING_STEP asks");
            return app.tasks.stopping().cancelled().await;
        }
        // Also where the step panics.
        let _ended = Ended { app: Arc::clone(&app), name };
        step(app).await;
    });
}

/// Takes a step off the list when it is over.
struct Ended {
    app: App,
    name: &'static str,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.app.recovering.end(self.name);
    }
}

fn serve(listener: TcpListener, app: App) -> JoinHandle<()> {
    let (stopping, patience) = (app.tasks.stopping(), app.config.client_patience);
    tokio::spawn(http::listen::serve(listener, http::service(app), stopping, patience))
}

fn unusable(path: &Path, source: io::Error) -> StartError {
    StartError::DataDirectory { path: path.display().to_string(), source }
}

/// Makes the data directory, for its owner only.
fn prepare(root: &Path) -> Result<(), StartError> {
    let made = std::fs::create_dir_all(root).and_then(|()| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700))?;
        }
        std::fs::create_dir_all(root.join("workspaces"))
    });
    made.map_err(|source| unusable(root, source))
}

async fn open_vault(config: &Config, installation: &str) -> Result<Vault, VaultError> {
    let mut options = VaultOptions::new(&config.data_dir, installation);
    if !config.keychain {
        options.keychain = KeychainChoice::Off;
    }
    Vault::open(options).await
}

/// Reads a value of the `meta` table.
pub(crate) fn meta(conn: &Connection, key: &str) -> molecule_store::Result<Option<String>> {
    Ok(conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?)
}

/// Writes a value of the `meta` table.
pub(crate) async fn set_meta(store: &Store, key: &'static str, value: String) -> molecule_store::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    store.write(move |tx| Ok(tx.execute(sql, [key, &value]).map(drop)?)).await
}

/// The id that tells this data directory's agents and keychain entries from those of another.
async fn installation_id(store: &Store) -> molecule_store::Result<String> {
    if let Some(id) = store.read(|conn| meta(conn, "installation")).await? {
        return Ok(id);
    }
    let id = molecule_model::id::fresh();
    set_meta(store, "installation", id.clone()).await?;
    Ok(id)
}

async fn kept_port(store: &Store) -> molecule_store::Result<Option<u16>> {
    Ok(store.read(|conn| meta(conn, "port")).await?.and_then(|text| text.parse().ok()))
}

async fn keep_port(store: &Store, port: u16) -> molecule_store::Result<()> {
    set_meta(store, "port", port.to_string()).await
}

/// The token of `admin.token`, made at first start, and `ADMIN_TOKEN` where set.
fn admin_tokens(paths: &Paths, config: &Config) -> io::Result<Vec<SecretString>> {
    let path = paths.admin_token();
    let own = match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => {
            let fresh = auth::fresh();
            write_private(&path, fresh.expose().as_bytes())?;
            fresh.secret().expose_secret().to_owned()
        }
    };
    Ok(std::iter::once(own.into()).chain(config.admin_token.clone()).collect())
}
