//! What is remembered (30 §4).

use serde_json::{Value, json};

use super::{LIMIT, Platform, PlatformFault, query};

/// A remembered fact.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub scope: String,
    pub content: String,
}

impl Platform {
    /// Remembers `content`. What looks like a secret is replaced before it leaves the agent (40 §17).
    pub(crate) async fn remember(&self, content: &str, scope: &str) -> Result<(), PlatformFault> {
        let content = molecule_model::redact::redact(content);
        let body = json!({"content": content, "scope": scope, "workspace_id": self.workspace_id()});
        self.post(&self.own("/memories"), &body).await.map(drop)
    }

    /// What is remembered about `text` in `scope`; both may be empty.
    pub(crate) async fn recall(&self, text: &str, scope: &str) -> Result<Vec<Memory>, PlatformFault> {
        let path = self.own("/memories") + &query(&[("q", text), ("scope", scope)]);
        let rows = self.get(&path, LIMIT).await?;
        let rows = rows.as_array().ok_or(PlatformFault::Unexpected)?.iter();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Ok(rows.map(|row| Memory { scope: text(row, "scope"), content: text(row, "content") }).collect())
    }
}
