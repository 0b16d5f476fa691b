//! The agent's own affairs: memory, a word to the person, a question to the person.

use serde_json::{Value, json};

use super::{Done, Failed, Outcome, Scope, approved, optional, text};
use crate::models::ToolCall;

pub(super) async fn notify(scope: &Scope, call: &ToolCall) -> Outcome {
    let message = text(call, "message")?;
    let files = attached(scope, call)?;
    scope.agent.platform.notify(message, &files).await?;
    Ok(match files.len() {
        0 => "Message sent.".into(),
        1 => "Message sent, with the file.".into(),
        count => format!("Message sent, with {count} files.").into(),
    })
}

/// Keeps a copy of each file that goes along. One that cannot be sent ends it before anything was said (S184);
/// entries that are no paths are dropped (S185).
fn attached(scope: &Scope, call: &ToolCall) -> Result<Vec<Value>, Failed> {
    let paths = call.input.get("attachments").and_then(Value::as_array).into_iter().flatten();
    let paths = paths.filter_map(Value::as_str).filter(|path| !path.trim().is_empty());
    let keep = |path: &str| {
        let kept = scope.agent.uploads().and_then(|uploads| uploads.copy_in(scope.agent.folder.as_ref(), path));
        let kept = kept.ok_or_else(|| {
            Failed(format!("nothing was sent: {path} is not a file of your folder, or is larger than 25 MiB"))
        })?;
        let mime = kept.mime_type.as_deref().unwrap_or("application/octet-stream");
        Ok(json!({"uri": kept.uri, "name": kept.name, "mimeType": mime, "size": kept.size}))
    };
    paths.map(keep).collect()
}

pub(super) async fn commit(scope: &Scope, call: &ToolCall) -> Outcome {
    let content = text(call, "content")?;
    let wanted = optional(call, "scope").filter(|scope| !scope.is_empty()).unwrap_or("LOCAL");
    if !matches!(wanted, "LOCAL" | "TEAM" | "GLOBAL") {
        return Err(Failed("scope must be LOCAL, TEAM or GLOBAL".into()));
    }
    scope.agent.platform.remember(content, wanted).await?;
    scope.agent.platform.log_memory(content, wanted).await;
    Ok("Remembered.".into())
}

pub(super) async fn recall(scope: &Scope, call: &ToolCall) -> Outcome {
    let query = optional(call, "query").unwrap_or_default();
    let found = scope.agent.platform.recall(query, optional(call, "scope").unwrap_or_default()).await?;
    if found.is_empty() {
        return Ok(Done { text: "No memories found.".into(), data: json!([]) });
    }
    let lines: Vec<String> = found.iter().map(|memory| format!("[{}] {}", memory.scope, memory.content)).collect();
    let data: Vec<Value> = found.iter().map(|memory| json!(memory.content)).collect();
    Ok(Done { text: lines.join("\n"), data: json!(data) })
}

pub(super) async fn ask(scope: &Scope, call: &ToolCall) -> Outcome {
    let reason = optional(call, "reason").unwrap_or_default().to_owned();
    approved(scope, text(call, "action")?.to_owned(), reason, Value::Null).await?;
    Ok("The person approved.".into())
}
