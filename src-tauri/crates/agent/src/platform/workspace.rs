//! The rest of the routes below an agent's own workspace: notify, activity, prompts, delegations.

use serde_json::{Value, json};

use super::{LIMIT, Platform, PlatformFault, SHORT_LIMIT};

/// A delegation that the platform carries out (10 §11).
#[derive(Clone, Debug)]
pub(crate) struct Delegation {
    pub id: String,
    pub target_id: String,
    pub status: String,
    pub answer: String,
    pub error: String,
}

/// A message to a colleague, as the activity log shows it.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub target_id: &'a str,
    pub target_name: &'a str,
    /// The JSON-RPC request.
    pub request: &'a Value,
}

impl Platform {
    /// Says something to the person in the chat, with files that are kept already (10 §12.5).
    pub(crate) async fn notify(&self, message: &str, files: &[Value]) -> Result<(), PlatformFault> {
        let mut body = json!({"message": message});
        if !files.is_empty() {
            body["attachments"] = json!(files);
        }
        self.post(&self.own("/notify"), &body).await.map(drop)
    }

    /// Notes that a message goes out. Best effort: the log is not worth a turn.
    pub(crate) async fn log_sent(&self, sent: Sent<'_>) {
        let body = json!({
            "activity_type": "a2a_send", "method": "message/send", "target_id": sent.target_id, "status": "ok",
            "summary": format!("message/send → {}", molecule_model::preview::ellipsis(sent.target_name, 200)),
            "request_body": sent.request,
        });
        if let Err(fault) = self.post(&self.own("/activity"), &body).await {
            tracing::debug!(error = %fault, "activity was not logged");
        }
    }

    /// Notes a new memory (40 §17). Best effort.
    pub(crate) async fn log_memory(&self, content: &str, scope: &str) {
        let content = molecule_model::redact::redact(content);
        let summary = format!("[{scope}] {}", molecule_model::preview::ellipsis(&content, 80));
        let body = json!({"activity_type": "memory_write", "summary": summary, "status": "ok"});
        if let Err(fault) = self.post(&self.own("/activity"), &body).await {
            tracing::debug!(error = %fault, "activity was not logged");
        }
    }

    /// The platform's rules for this agent (30 §12.5); empty where there are none or nobody answers.
    pub(crate) async fn instructions(&self) -> String {
        let answer = self.get(&self.own("/instructions/resolve"), SHORT_LIMIT).await;
        answer.ok().and_then(|body| body["instructions"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// What the parent shares with its children: (path, content).
    pub(crate) async fn parent_context(&self) -> Vec<(String, String)> {
        let Some(parent) = &self.parent_id else { return Vec::new() };
        let answer = self.get(&format!("/workspaces/{parent}/shared-context"), SHORT_LIMIT).await;
        let rows = answer.ok().and_then(|body| body.as_array().cloned()).unwrap_or_default();
        let row = |row: &Value| Some((row["path"].as_str()?.to_owned(), row["content"].as_str()?.to_owned()));
        rows.iter().filter_map(row).collect()
    }

    /// Hands a task to the platform, which carries it out in the background; answers its id.
    pub(crate) async fn delegate(&self, target_id: &str, task: &str, key: &str) -> Result<String, PlatformFault> {
        let body = json!({"target_id": target_id, "task": task, "idempotency_key": key});
        let answer = self.post(&self.own("/delegate"), &body).await?;
        answer["delegation_id"].as_str().map(str::to_owned).ok_or(PlatformFault::Unexpected)
    }

    /// This agent's delegations, newest first. A row of somebody else is dropped (40 §7).
    pub(crate) async fn delegations(&self) -> Result<Vec<Delegation>, PlatformFault> {
        let rows = self.get(&self.own("/delegations"), LIMIT).await?;
        let rows = rows.as_array().ok_or(PlatformFault::Unexpected)?;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let own = rows
            .iter()
            .filter(|row| row["source_id"].as_str().is_none_or(|id| id.is_empty() || id == self.workspace_id()));
        Ok(own
            .map(|row| Delegation {
                id: text(row, "delegation_id"),
                target_id: text(row, "target_id"),
                status: text(row, "status"),
                answer: text(row, "response_preview"),
                error: text(row, "error"),
            })
            .collect())
    }
}
