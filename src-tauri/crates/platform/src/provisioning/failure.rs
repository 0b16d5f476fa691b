//! Why a launch failed: canned texts for people, details for the log only (20 §7.9).

use std::time::Duration;

use molecule_launcher::{LaunchError, Unavailable};
use molecule_model::{Timestamp, WorkspaceId, runtime};
use molecule_store::lifecycle;
use serde_json::{Value, json};

use crate::App;

/// The failure is written on a deadline of its own: the launch's may be what ran out.
const WRITE: Duration = Duration::from_secs(10);
/// Text of a global secret that cannot be read.
pub(super) const GLOBAL_SECRET: &str = "failed to decrypt global secret";
/// Text of a workspace's own secret that cannot be read.
pub(super) const WORKSPACE_SECRET: &str = "failed to decrypt workspace secret";

/// A class of 20 §7.9.
#[derive(Debug)]
pub enum Failure {
    /// No launcher of this computer runs this runtime.
    NoLauncher {
        /// The runtime, coerced.
        runtime: &'static str,
    },
    /// Its launcher cannot start anything now.
    Unavailable(Unavailable),
    /// A global secret that the launch needs cannot be read.
    GlobalSecret,
    /// A secret of the workspace's own that the launch needs cannot be read.
    WorkspaceSecret,
    /// Required variables are missing.
    Missing(Vec<String>),
    /// There is no `config.yaml`, nor a template to take one from.
    NoConfig(WorkspaceId),
    /// The config folder cannot be written.
    Files,
    /// Its folder would open the platform's own data to it.
    Folder,
    /// Tokens could not be stored.
    Mint,
    /// The launcher refused or the agent did not come up.
    Start(LaunchError),
    /// It took too long.
    Late,
    /// It ended again and again before it registered (S033).
    KeepsStopping,
    /// A bug of ours.
    Panicked,
    /// The row was stopped or removed meanwhile: nothing to write.
    Stopped,
}

impl Failure {
    /// The text that people see. No path, no secret, no text of the system.
    #[must_use]
    pub fn public(&self) -> String {
        match self {
            Self::NoLauncher { runtime } if *runtime == runtime::LOCAL => {
                "no launcher for runtime local on this computer".to_owned()
            }
            Self::NoLauncher { runtime } => {
                format!("no launcher for runtime {runtime} on this computer: no container engine is available")
            }
            Self::Unavailable(reason) => reason.public().to_owned(),
            Self::GlobalSecret => GLOBAL_SECRET.to_owned(),
            Self::WorkspaceSecret => WORKSPACE_SECRET.to_owned(),
            Self::Missing(names) => format!(
                "missing required environment variables: {}. Add them in the workspace's Secrets tab or in Settings, then restart",
                names.join(", ")
            ),
            Self::NoConfig(id) => {
                format!(
                    "workspace {id} has no config.yaml and no template to take one from: delete it, or restart it with a template"
                )
            }
            Self::Files => "workspace start failed: its files could not be written; check free disk space".to_owned(),
            Self::Folder => {
                "workspace start failed: its folder holds, or lies in, Molecule's own data; choose another folder"
                    .to_owned()
            }
            Self::Mint => "workspace start failed: its credentials could not be stored".to_owned(),
            Self::Start(error) => error.public().to_owned(),
            Self::Late => "workspace start failed: it took longer than three minutes".to_owned(),
            Self::KeepsStopping => {
                "workspace start failed: the agent stopped five times in a row before it was ready; see its console"
                    .to_owned()
            }
            Self::Panicked => "provision panic: the launch was given up; the server log has the details".to_owned(),
            Self::Stopped => String::new(),
        }
    }

    /// Whether trying again soon may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Start(LaunchError::ExitedEarly { .. } | LaunchError::NeverListened(_) | LaunchError::Spawn(_))
                | Self::Late
        )
    }

    /// What the event says beside `error`.
    fn payload(&self) -> Value {
        let mut payload = json!({"error": self.public()});
        if let Self::Missing(names) = self {
            payload["missing"] = json!(names);
        }
        payload
    }
}

/// Writes the failure where it still holds.
pub(super) async fn record(app: &App, id: WorkspaceId, failure: &Failure, since: Timestamp) {
    if matches!(failure, Failure::Stopped) {
        return;
    }
    let (message, payload) = (failure.public(), failure.payload());
    let no_launcher = matches!(failure, Failure::NoLauncher { .. });
    let written = app.store.write(move |tx| {
        let failed = lifecycle::fail(tx, id, &message, payload.clone(), since)?;
        if failed && no_launcher
            && let Some(row) = molecule_store::workspaces::get(tx, id)?
        {
            let document = json!({"name": row.name, "runtime": row.runtime, "tier": row.tier, "template": row.template.unwrap_or_default()});
            lifecycle::describe(tx, id, &document)?;
        }
        Ok(failed)
    });
    match tokio::time::timeout(WRITE, written).await {
        Ok(Ok(true)) => tracing::warn!(workspace_id = %id, ?failure, "workspace failed"),
        Ok(Ok(false)) => tracing::info!(workspace_id = %id, "the launch failed, and the workspace had moved on"),
        Ok(Err(error)) => tracing::error!(workspace_id = %id, %error, "a failed launch could not be written down"),
        Err(_) => tracing::error!(workspace_id = %id, "a failed launch could not be written down in time"),
    }
}

#[cfg(test)]
mod tests {
    use molecule_launcher::LaunchError;
    use molecule_model::WorkspaceId;

    use super::Failure;

    #[test]
    fn s011_texts_name_variables_runtime_and_id_and_nothing_else() {
        let id = WorkspaceId::random();
        let io = || std::io::Error::other("/home/someone OPENAI_API_KEY");
        for (failure, holds) in [
            (Failure::NoLauncher { runtime: "codex" }, "no launcher for runtime codex on this computer"),
            (Failure::Missing(vec!["A_KEY".into(), "B_KEY".into()]), "A_KEY, B_KEY"),
            (Failure::NoConfig(id), id.to_string().as_str()),
            (Failure::Start(LaunchError::Spawn(io())), "workspace start failed"),
            (
                Failure::Start(LaunchError::ExitedEarly { code: None, signal: None, tail: "/etc".into() }),
                "see its console",
            ),
        ] {
            let text = failure.public();
            assert!(text.contains(holds), "{text}");
            assert!(!text.contains('/') && !text.contains("OPENAI"), "{text}");
        }
        let event = Failure::Missing(vec!["A_KEY".into()]).payload();
        assert_eq!(event["missing"], serde_json::json!(["A_KEY"]));
    }
}
