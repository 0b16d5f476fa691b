//! Asking a person (30 §6).

use serde_json::{Value, json};

use super::{LIMIT, Platform, PlatformFault};

/// What a person is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub action: String,
    pub reason: String,
    /// The message whose turn asks.
    pub task_id: String,
    /// `{diff | command, path, cwd}` for the dialog in which it is decided.
    pub context: Value,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Pending,
    Approved,
    Denied,
    /// Nobody decided in time.
    Expired,
}

impl Platform {
    /// Asks, and answers the id under which it will be decided.
    pub(crate) async fn ask(&self, question: &Question) -> Result<String, PlatformFault> {
        let body = json!({
            "action": question.action, "reason": question.reason,
            "task_id": question.task_id, "context": question.context,
        });
        let answer = self.post(&self.own("/approvals"), &body).await?;
        answer["approval_id"].as_str().map(str::to_owned).ok_or(PlatformFault::Unexpected)
    }

    /// How far the decision is. An id that is no longer among the newest 50 counts as pending.
    pub(crate) async fn decision(&self, approval_id: &str) -> Result<Decision, PlatformFault> {
        let rows = self.get(&self.own("/approvals"), LIMIT).await?;
        let rows = rows.as_array().ok_or(PlatformFault::Unexpected)?;
        let row = rows.iter().find(|row| row["id"] == approval_id);
        Ok(match row.map(|row| (row["status"].as_str(), row["decided_by"].as_str())) {
            Some((Some("approved"), _)) => Decision::Approved,
            Some((Some("denied"), Some("auto-expired"))) => Decision::Expired,
            Some((Some("denied"), _)) => Decision::Denied,
            _ => Decision::Pending,
        })
    }

    /// Takes a question back, so that nobody is asked for a turn that is over.
    pub(crate) async fn withdraw(&self, approval_id: &str) -> Result<(), PlatformFault> {
        let path = self.own(&format!("/approvals/{approval_id}/decide"));
        self.post(&path, &json!({"decision": "denied", "decided_by": "withdrawn"})).await.map(drop)
    }
}
