//! The person's folder: reading it, and changing it after the person saw the change.

use serde_json::{Value, json};

use super::{Done, Failed, Outcome, Scope, approved, optional, text};
use crate::files::{Change, Folder, Query, Uploads};
use crate::models::ToolCall;

/// Largest file that is read into a conversation, bytes.
const READ_LIMIT: u64 = 256 * 1024;

fn folder(scope: &Scope) -> Result<&Folder, Failed> {
    scope.agent.folder.as_ref().ok_or_else(|| Failed("you were given no folder".into()))
}

pub(super) fn writable(scope: &Scope) -> Result<&Folder, Failed> {
    if !scope.agent.may_write() {
        return Err(Failed("you may only read this folder".into()));
    }
    folder(scope)
}

pub(super) fn read(scope: &Scope, call: &ToolCall) -> Outcome {
    let path = text(call, "path")?;
    if let Some(stored) = Uploads::named(path)
        && let Some(uploads) = scope.agent.uploads()
    {
        return Ok(uploads.read_text(stored, READ_LIMIT)?.trim_end().to_owned().into());
    }
    let from = match optional(call, "from") {
        Some("config") => scope.agent.configs.as_ref().ok_or_else(|| Failed("there is no config folder".into()))?,
        _ => folder(scope)?,
    };
    Ok(from.read_text(path, READ_LIMIT)?.trim_end().to_owned().into())
}

pub(super) fn list(scope: &Scope, call: &ToolCall) -> Outcome {
    let depth = call.input.get("depth").and_then(Value::as_u64).unwrap_or(1).clamp(1, 5);
    let listing =
        folder(scope)?.list(optional(call, "path").unwrap_or_default(), usize::try_from(depth).unwrap_or(1))?;
    Ok(lines(listing.entries, listing.cut, "The folder is empty."))
}

pub(super) async fn search(scope: &Scope, call: &ToolCall) -> Outcome {
    let pattern = text(call, "pattern")?.to_owned();
    let path = optional(call, "path").unwrap_or_default().to_owned();
    let case_sensitive = call.input.get("case_sensitive").and_then(Value::as_bool).unwrap_or(false);
    folder(scope)?;
    let agent = std::sync::Arc::clone(&scope.agent);
    let found = tokio::task::spawn_blocking(move || {
        let query = Query { pattern: &pattern, path: &path, case_sensitive };
        agent.folder.as_ref().map(|folder| folder.search(&query))
    })
    .await?;
    let found = found.ok_or_else(|| Failed("you were given no folder".into()))??;
    Ok(lines(found.lines, found.cut, "Nothing fits."))
}

fn lines(lines: Vec<String>, cut: bool, none: &str) -> Done {
    if lines.is_empty() {
        return none.into();
    }
    let more = if cut { "\n(there is more; narrow it down)" } else { "" };
    format!("{}{more}", lines.join("\n")).into()
}

pub(super) async fn write(scope: &Scope, call: &ToolCall) -> Outcome {
    let content = optional(call, "content").ok_or_else(|| Failed("content is required".into()))?;
    let change = writable(scope)?.plan_write(text(call, "path")?, content)?;
    make(scope, call, change).await
}

pub(super) async fn edit(scope: &Scope, call: &ToolCall) -> Outcome {
    let new = optional(call, "new").ok_or_else(|| Failed("new is required".into()))?;
    let old = optional(call, "old").filter(|old| !old.is_empty()).ok_or_else(|| Failed("old is required".into()))?;
    let change = writable(scope)?.plan_edit(text(call, "path")?, old, new)?;
    make(scope, call, change).await
}

async fn make(scope: &Scope, call: &ToolCall, change: Change) -> Outcome {
    let verb = if change.creates() { "Create" } else { "Change" };
    let reason = optional(call, "reason").unwrap_or_default().to_owned();
    approved(scope, format!("{verb} {}", change.path()), reason, json!({"diff": change.diff, "path": change.path()}))
        .await?;
    writable(scope)?.make(&change)?;
    Ok(format!("{} is written.", change.path()).into())
}
