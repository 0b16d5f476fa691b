//! The platform server: its services, one folder per capability, and their HTTP face.
//!
//! [`server::start`] takes a [`Config`], opens the store and the vault, listens, and recovers afterwards.
//! Everything that comes from outside (clock, launchers, vault, HTTP client, paths, configuration) is a
//! field of [`Platform`], never a global, so that tests run many servers in one process and move time by hand.

pub mod activity;
pub mod admin;
pub mod app;
pub mod approvals;
pub mod auth;
pub mod chat_files;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod error;
pub mod events;
pub mod http;
pub mod instructions;
pub mod mcp;
pub mod memory;
pub mod messaging;
pub mod orgs;
pub mod outward;
pub mod paths;
pub mod provisioning;
pub mod registry;
pub mod secrets;
pub mod server;
pub mod tasks;
pub mod templates;
pub mod workspaces;

use std::sync::Arc;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use error::{AppError, AppResult};
use molecule_store::Store;
use molecule_vault::Vault;

/// What every service works on. Handed around as [`App`].
pub struct Platform {
    /// Tells this data directory's agents from those of another.
    pub installation: String,
    /// What is still being brought back after the start.
    pub recovering: tasks::Recovering,
    /// Settings, read once at start.
    pub config: Config,
    /// Where things lie in the data directory.
    pub paths: paths::Paths,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub store: Store,
    /// Secrets.
    pub vault: Vault,
    /// Secrets that are being written now.
    pub writing: secrets::Writing,
    /// Who is asking.
    pub auth: auth::Auth,
    /// Events on their way to sockets and streams.
    pub bus: events::Bus,
    /// Supervised background work.
    pub tasks: tasks::Tasks,
    /// Our own address.
    pub endpoint: endpoint::Endpoint,
    /// For calls to providers of models.
    pub outward: outward::Outward,
    /// Figures for `/metrics`.
    pub metrics: http::metrics::Metrics,
    /// Who is alive: liveness deadlines, runtime overrides.
    pub presence: registry::Presence,
    /// Signs of life on their way to the database.
    pub beats: registry::Beats,
    /// The way of a message.
    pub messaging: messaging::Messaging,
    /// What finds text in the log.
    pub search: activity::Search,
    /// How often MCP clients call.
    pub mcp: mcp::Limit,
    /// Starting and stopping agents.
    pub provisioning: provisioning::Provisioning,
    /// The templates as last read.
    pub templates: templates::Templates,
}

/// A shared [`Platform`].
pub type App = Arc<Platform>;

impl Platform {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> molecule_model::Timestamp {
        self.clock.now()
    }
}
