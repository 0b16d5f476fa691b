//! The agent's own affairs: memory, a word to the person, a question to the person.

use serde_json::{Value, json};

use super::{Done, Failed, Outcome, Scope, approved, optional, text};
use crate::models::ToolCall;

pub(super) async fn notify(scope: &Scope, call: &ToolCall) -> Outcome {
    scope.agent.platform.notify(text(call, "message")?).await?;
    Ok("Message sent.".into())
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
