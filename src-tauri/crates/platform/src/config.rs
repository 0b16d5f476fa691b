//! Settings, read once at start (10 §3, 20 §0.3).

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;

use crate::registry::{Names, SystemNames};

/// Longer than a slow disk or a debugger needs on loopback, shorter than it takes to hoard connections.
const CLIENT_PATIENCE: Duration = Duration::from_secs(60);

/// What the environment and the command line decide.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory (`MOLECULE_HOME`).
    pub data_dir: PathBuf,
    /// The port asked for.
    pub port: PortChoice,
    /// `ADMIN_TOKEN`: honoured beside the token that the platform makes for itself.
    pub admin_token: Option<SecretString>,
    /// `MOLECULE_ENV` is `dev` or `development` and no `ADMIN_TOKEN` is set (10 §2.5).
    pub development: bool,
    /// `CORS_ORIGINS`, where set; `None` leaves the default of R-5.
    pub cors_origins: Option<Vec<String>>,
    /// `RATE_LIMIT` set by hand binds everybody; requests a minute.
    pub rate_limit: Option<u32>,
    /// `EXTERNAL_PLATFORM_URL`: the base URL in snippets.
    pub external_url: Option<String>,
    /// `A2A_IDLE_TIMEOUT_SECONDS`: silence after which a forward is given up.
    pub a2a_idle: Duration,
    /// `REMOTE_LIVENESS_STALE_AFTER`: silence after which an external agent counts as gone.
    pub external_stale: Duration,
    /// `PROVISION_TIMEOUT_SECONDS`: overrides every runtime's deadline.
    pub provision_timeout: Option<Duration>,
    /// `ACTIVITY_RETENTION_DAYS`: older rows of the log are deleted.
    pub activity_retention_days: u32,
    /// `ACTIVITY_CLEANUP_INTERVAL_HOURS`: between two deletions.
    pub activity_cleanup_hours: u32,
    /// `MOLECULE_MCP_ALLOW_SEND_MESSAGE=true`: agents may write to the person over MCP (10 §16.3).
    pub mcp_send_message: bool,
    /// `MOLECULE_KEYCHAIN=off` keeps secrets in the sealed file.
    pub keychain: bool,
    /// Extra roots of shipped templates, searched after the user's own: `(workspaces, orgs)`.
    pub shipped_templates: Vec<PathBuf>,
    /// The program that runs a local agent, with its arguments.
    pub agent_program: (PathBuf, Vec<String>),
    /// `MOLECULE_ALLOW_LAN=1`.
    pub allow_lan: bool,
    /// How long a client may be silent within a request.
    pub client_patience: Duration,
    /// Who knows the addresses of agents' names: this machine's resolver, but in tests.
    pub names: Arc<dyn Names>,
    /// `MOLECULE_ENABLE_TEST_TOKENS=1`, or `MOLECULE_ENV` is `dev` or `development`, `ADMIN_TOKEN` or not.
    pub test_tokens: bool,
    /// `MOLECULE_TEST_HANGING_STEP`, in development only: this step of the recovery never ends, to see that the rest
    /// goes on without it (R5).
    pub hanging_step: Option<String>,
    /// The commit this was built from.
    pub git_sha: String,
    /// The files of the canvas, by path.
    pub assets: fn(&str) -> Option<Asset>,
}

/// Which port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    /// Nobody asked: 8080, else the next free one up to +20; the chosen one is kept.
    Default,
    /// Exactly this one, 0 for any.
    Exactly(u16),
}

/// A file of the canvas.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Its bytes.
    pub bytes: std::borrow::Cow<'static, [u8]>,
    /// Its media type.
    pub mime: String,
}

/// A whole number of an environment variable; a bad value is logged with what is used instead (S136).
fn positive(name: &str, default: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return default };
    match text.trim().parse::<u64>() {
        Ok(n) if n > 0 => n,
        _ => {
            tracing::warn!(variable = name, value = %text, applied = default, "not a positive whole number");
            default
        }
    }
}

fn non_empty(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.trim().is_empty())
}

/// An origin in `CORS_ORIGINS` has no scheme.
#[derive(Debug, thiserror::Error)]
#[error("CORS_ORIGINS: {0:?} must begin with http:// or https:// (or be *)")]
pub struct BadOrigin(String);

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`BadOrigin`]: a listed origin without a scheme refuses the start (10 §1.2).
    pub fn from_env(
        data_dir: PathBuf,
        port: PortChoice,
        agent_program: (PathBuf, Vec<String>),
        shipped_templates: Vec<PathBuf>,
        assets: fn(&str) -> Option<Asset>,
    ) -> Result<Self, BadOrigin> {
        let admin_token = non_empty("ADMIN_TOKEN");
        let env = std::env::var("MOLECULE_ENV").unwrap_or_default().trim().to_ascii_lowercase();
        let development_env = matches!(env.as_str(), "dev" | "development");
        let development = admin_token.is_none() && development_env;
        let cors_origins = non_empty("CORS_ORIGINS").map(|list| parse_origins(&list)).transpose()?;
        let set = |name| std::env::var(name).is_ok();
        let seconds = Duration::from_secs;
        Ok(Self {
            data_dir,
            port,
            admin_token: admin_token.map(Into::into),
            development,
            cors_origins,
            rate_limit: set("RATE_LIMIT").then(|| u32::try_from(positive("RATE_LIMIT", 600)).unwrap_or(u32::MAX)),
            external_url: non_empty("EXTERNAL_PLATFORM_URL").map(|url| url.trim_end_matches('/').to_owned()),
            a2a_idle: seconds(positive("A2A_IDLE_TIMEOUT_SECONDS", 300)),
            external_stale: seconds(positive("REMOTE_LIVENESS_STALE_AFTER", 90)),
            provision_timeout: set("PROVISION_TIMEOUT_SECONDS")
                .then(|| seconds(positive("PROVISION_TIMEOUT_SECONDS", 600))),
            activity_retention_days: u32::try_from(positive("ACTIVITY_RETENTION_DAYS", 7)).unwrap_or(7),
            activity_cleanup_hours: u32::try_from(positive("ACTIVITY_CLEANUP_INTERVAL_HOURS", 6)).unwrap_or(6),
            mcp_send_message: std::env::var("MOLECULE_MCP_ALLOW_SEND_MESSAGE").is_ok_and(|text| text == "true"),
            keychain: std::env::var("MOLECULE_KEYCHAIN").map_or(true, |text| text.trim() != "off"),
            shipped_templates,
            agent_program,
            allow_lan: std::env::var("MOLECULE_ALLOW_LAN").is_ok_and(|text| text == "1"),
            client_patience: CLIENT_PATIENCE,
            names: Arc::new(SystemNames),
            test_tokens: development_env || std::env::var("MOLECULE_ENABLE_TEST_TOKENS").is_ok_and(|text| text == "1"),
            hanging_step: non_empty("MOLECULE_TEST_HANGING_STEP").filter(|_| development),
            git_sha: option_env!("GIT_SHA").unwrap_or("dev").to_owned(),
            assets,
        })
    }

    /// Says in the log of a start which settings hold (S282): no path, no secret.
    pub fn log(&self) {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            git_sha = %self.git_sha,
            development = self.development,
            admin_token_set = self.admin_token.is_some(),
            keychain = self.keychain,
            allow_lan = self.allow_lan,
            test_tokens = self.test_tokens,
            origins = self.listed_origins().len(),
            rate_limit = self.rate_limit,
            a2a_idle_seconds = self.a2a_idle.as_secs(),
            external_stale_seconds = self.external_stale.as_secs(),
            provision_timeout_seconds = self.provision_timeout.map(|limit| limit.as_secs()),
            activity_retention_days = self.activity_retention_days,
            "settings"
        );
    }

    /// The origins that may call us besides our own.
    #[must_use]
    pub fn listed_origins(&self) -> Vec<String> {
        match &self.cors_origins {
            Some(list) => list.clone(),
            None if self.development => vec!["http://localhost:3000".into(), "http://localhost:3001".into()],
            None => Vec::new(),
        }
    }
}

fn parse_origins(list: &str) -> Result<Vec<String>, BadOrigin> {
    list.split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let good =
                entry == "*" || ["http://", "https://", "tauri://"].iter().any(|scheme| entry.starts_with(scheme));
            if good { Ok(entry) } else { Err(BadOrigin(entry)) }
        })
        .collect()
}
