//! Running a command in the person's folder, after the person saw it.

use super::{Failed, Outcome, Scope};
use crate::models::ToolCall;

#[cfg(not(unix))]
pub(super) async fn run(_: &Scope, _: &ToolCall) -> Outcome {
    Err(Failed("commands cannot run on this system".into()))
}

#[cfg(unix)]
pub(super) async fn run(scope: &Scope, call: &ToolCall) -> Outcome {
    use std::path::PathBuf;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::folder::writable;
    use super::{approved, optional, text};
    use crate::commands;

    /// How long a command may run, seconds: by default, and at most.
    const DEFAULT: u64 = 120;
    const MOST: u64 = 600;

    let command = text(call, "command")?;
    let folder = writable(scope)?;
    if !scope.agent.may_run() {
        return Err(Failed("commands cannot run here: this folder holds Molecule's own data".into()));
    }
    let cwd = match optional(call, "cwd").filter(|cwd| !cwd.is_empty() && *cwd != ".") {
        Some(cwd) => folder.resolve(cwd)?,
        None => PathBuf::new(),
    };
    let seconds = call.input.get("timeout_seconds").and_then(Value::as_u64).unwrap_or(DEFAULT).clamp(1, MOST);
    let reason = optional(call, "reason").unwrap_or_default().to_owned();
    let shown = if cwd.as_os_str().is_empty() { ".".to_owned() } else { cwd.to_string_lossy().into_owned() };
    let title = format!("Run {}", molecule_model::preview::ellipsis(command.lines().next().unwrap_or(command), 80));
    approved(scope, title, reason, json!({"command": command, "cwd": shown})).await?;
    let walls = commands::walls(folder, scope.agent.config.own_data());
    let finished = commands::run(folder, &cwd, command, Duration::from_secs(seconds), walls).await?;
    let ended = match (finished.timed_out, finished.code) {
        (true, _) => format!("It was ended after {seconds} seconds."),
        (false, Some(0)) => "It succeeded.".to_owned(),
        (false, Some(code)) => format!("It failed with exit code {code}."),
        (false, None) => "It was ended by a signal.".to_owned(),
    };
    let output = if finished.output.trim().is_empty() { "(no output)" } else { finished.output.trim_end() };
    Ok(format!("{ended}\n{output}").into())
}
