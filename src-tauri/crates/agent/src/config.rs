//! What the launcher tells the agent: its environment (40 §1), read once at start.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::models::provider;

/// Everything that an agent is started with. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The workspace that this agent is.
    pub workspace_id: String,
    /// Base URL of the platform; it carries a capability, so it is a secret.
    pub platform_url: SecretString,
    /// The folder with `config.yaml`, prompts and credentials (`/configs`).
    pub config_dir: PathBuf,
    /// The person's folder, if there is one (`/workspace`).
    pub folder: Option<FolderConfig>,
    /// The parent workspace, if any.
    pub parent_id: Option<String>,
    /// Name, role and model that the platform knows; each wins over `config.yaml`.
    pub overrides: Overrides,
    /// Ceiling for the agent's own data segment in MiB; 0 sets none.
    pub memory_mb: u64,
    /// Keys and base URLs of model providers.
    pub models: ModelVariables,
    /// Upper bound for one answer of the model, in tokens.
    pub max_output_tokens: u32,
    /// Waiting times, so that tests need not wait.
    pub timing: Timing,
}

/// A folder on this machine and what may be done in it.
#[derive(Clone, Debug)]
pub struct FolderConfig {
    /// Absolute path.
    pub path: PathBuf,
    /// `false` where the person gave it `read_only`.
    pub writable: bool,
}

/// What the platform says about the agent.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Name shown to people.
    pub name: Option<String>,
    /// Role in the organisation.
    pub role: Option<String>,
    /// Model slug, for example `anthropic:claude-opus-4-7` or `rehearsal`.
    pub model: Option<String>,
}

/// How long the agent waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two looks at an approval that a person has not decided yet.
    pub approval_poll: Duration,
    /// Longest wait for a decision; the platform lets it lapse earlier (30 §6.3).
    pub approval_limit: Duration,
    /// A model that sends no byte for this long is given up (`model_silent`).
    pub model_silence: Duration,
    /// First pause before a model call is repeated; it doubles.
    pub model_retry: Duration,
    /// Longest wait for a colleague's answer.
    pub delegation: Duration,
    /// First pause before a message to a colleague is repeated; it doubles.
    pub delegation_retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            approval_poll: Duration::from_secs(1),
            approval_limit: Duration::from_secs(15 * 60),
            model_silence: Duration::from_secs(10 * 60),
            model_retry: Duration::from_secs(1),
            delegation: Duration::from_secs(30 * 60),
            delegation_retry: Duration::from_secs(2),
        }
    }
}

/// The variables of the model providers that were set, by name.
#[derive(Clone, Default)]
pub struct ModelVariables(HashMap<String, SecretString>);

impl ModelVariables {
    /// Keeps the known names among `variables`; empty values count as absent.
    pub fn pick(variables: impl Fn(&str) -> Option<String>) -> Self {
        let known = provider::variables().filter_map(|name| {
            let value = variables(&name).filter(|value| !value.trim().is_empty())?;
            Some((name, SecretString::from(value.trim().to_owned())))
        });
        Self(known.collect())
    }

    pub(crate) fn secret(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    pub(crate) fn plain(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for ModelVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A variable that the agent cannot do without is missing.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not set: `molecule agent` is started by the Molecule server, not by hand")]
pub struct Missing(&'static str);

impl AgentConfig {
    /// Reads the process environment.
    ///
    /// # Errors
    /// [`Missing`] names the variable that is absent.
    pub fn from_env() -> Result<Self, Missing> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Molecule's own data folder, in which each config folder is `workspaces/<id>/configs`; `None`
    /// where this one lies elsewhere.
    pub(crate) fn own_data(&self) -> Option<PathBuf> {
        let config_dir = self.config_dir.canonicalize().ok()?;
        let workspaces = config_dir.parent()?.parent()?;
        (workspaces.file_name()? == "workspaces").then(|| workspaces.parent().map(Into::into))?
    }

    /// Reads any set of variables.
    ///
    /// # Errors
    /// [`Missing`] names the variable that is absent.
    pub fn from_variables(variables: impl Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        let get = |name: &str| variables(name).filter(|value| !value.trim().is_empty());
        let seconds =
            |name: &str, default: Duration| get(name).and_then(|v| v.parse().ok()).map_or(default, Duration::from_secs);
        let timing = Timing::default();
        Ok(Self {
            workspace_id: get("WORKSPACE_ID").ok_or(Missing("WORKSPACE_ID"))?,
            platform_url: get("PLATFORM_URL")
                .or_else(|| get("MOLECULE_URL"))
                .map(|url| url.trim_end_matches('/').to_owned().into())
                .ok_or(Missing("PLATFORM_URL"))?,
            config_dir: get("WORKSPACE_CONFIG_PATH")
                .or_else(|| get("CONFIGS_DIR"))
                .map(PathBuf::from)
                .ok_or(Missing("WORKSPACE_CONFIG_PATH"))?,
            folder: get("MOLECULE_WORKSPACE_DIR").map(|path| FolderConfig {
                path: path.into(),
                writable: get("MOLECULE_WORKSPACE_ACCESS").is_none_or(|access| access == "read_write"),
            }),
            parent_id: get("PARENT_ID"),
            overrides: Overrides {
                name: get("MOLECULE_AGENT_NAME"),
                role: get("MOLECULE_AGENT_ROLE"),
                model: get("MODEL").or_else(|| get("MODEL_PROVIDER")),
            },
            memory_mb: get("MOLECULE_AGENT_MEMORY_MB").and_then(|mb| mb.parse().ok()).unwrap_or(512),
            models: ModelVariables::pick(&variables),
            max_output_tokens: get("MAX_TOKENS").and_then(|n| n.parse().ok()).unwrap_or(8192),
            timing: Timing {
                model_silence: seconds("MOLECULE_MODEL_SILENCE_SECS", timing.model_silence),
                delegation: seconds("DELEGATION_TIMEOUT", timing.delegation),
                ..timing
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<AgentConfig, Missing> {
        let base = [("WORKSPACE_ID", "w"), ("PLATFORM_URL", "http://p/as/c/"), ("CONFIGS_DIR", "/c")];
        AgentConfig::from_variables(|name| {
            pairs.iter().chain(&base).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = config(&[("WORKSPACE_ID", " ")]).unwrap_err();
        assert!(error.to_string().starts_with("WORKSPACE_ID"), "{error}");
    }

    #[test]
    fn no_secret_shows_in_debug() {
        let shown =
            format!("{:?}", config(&[("ANTHROPIC_API_KEY", "sk-ant-1"), ("OPENAI_BASE_URL", "http://x")]).unwrap());
        assert!(shown.contains("ANTHROPIC_API_KEY"), "{shown}");
        assert!(!shown.contains("sk-ant-1") && !shown.contains("http://p"), "{shown}");
    }

    #[test]
    fn the_chosen_model_wins_over_the_stored_slug() {
        let chosen = config(&[("MODEL", "a"), ("MODEL_PROVIDER", "b")]).unwrap();
        assert_eq!(chosen.overrides.model.as_deref(), Some("a"));
    }

    #[test]
    fn only_read_write_allows_writing() {
        let writable = |access: &[(&str, &str)]| {
            let pairs = [&[("MOLECULE_WORKSPACE_DIR", "/w")], access].concat();
            config(&pairs).unwrap().folder.unwrap().writable
        };
        assert!(writable(&[]));
        assert!(writable(&[("MOLECULE_WORKSPACE_ACCESS", "read_write")]));
        assert!(!writable(&[("MOLECULE_WORKSPACE_ACCESS", "read_only")]));
        assert!(!writable(&[("MOLECULE_WORKSPACE_ACCESS", "anything else")]));
    }

    #[test]
    fn own_data_is_known_by_its_layout() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let (inside, elsewhere) = (base.join("data/workspaces/w/configs"), base.join("configs"));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(&elsewhere).unwrap();
        let own_data = |dir: &std::path::Path| {
            let named = config(&[("WORKSPACE_CONFIG_PATH", dir.to_str().unwrap())]);
            named.unwrap().own_data()
        };
        assert_eq!(own_data(&inside), Some(base.join("data")));
        assert_eq!(own_data(&elsewhere), None);
    }

    #[test]
    fn the_silence_limit_is_settable() {
        let set = config(&[("MOLECULE_MODEL_SILENCE_SECS", "3")]).unwrap();
        assert_eq!(set.timing.model_silence, Duration::from_secs(3));
        assert_eq!(config(&[]).unwrap().timing.model_silence, Duration::from_secs(600));
    }
}
