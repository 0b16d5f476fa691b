//! Messages: what one side says to the other.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Members, MessageKind, Part};

/// Who speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who asks: a person, or an agent that asks another.
    #[default]
    User,
    /// The one who answers.
    Agent,
}

impl<'de> Deserialize<'de> for Role {
    /// Reads v0.3 and v1 names; whoever names no known role is the one who asks.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        Ok(match name.as_str() {
            "agent" | "assistant" | "ROLE_AGENT" => Self::Agent,
            _ => Self::User,
        })
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Always `message`.
    #[serde(default)]
    pub kind: MessageKind,
    /// Who speaks.
    #[serde(default)]
    pub role: Role,
    /// The sender's id for it; also the key by which a repeated one is known (O-10).
    #[serde(default)]
    pub message_id: String,
    /// What is said.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_id: Option<String>,
    /// The task that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Other tasks that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_task_ids: Option<Vec<String>>,
    /// About the message: `delegation_id`, `tool_trace` (40 §10.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Extensions that it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Vec<String>>,
    /// Members that this crate does not know; `usage` among them.
    #[serde(flatten)]
    pub extra: Members,
}

impl Message {
    /// A message of this speaker, id and parts.
    #[must_use]
    pub fn new(role: Role, message_id: impl Into<String>, parts: Vec<Part>) -> Self {
        Self {
            kind: MessageKind,
            role,
            message_id: message_id.into(),
            parts,
            context_id: None,
            task_id: None,
            reference_task_ids: None,
            metadata: None,
            extensions: None,
            extra: Members::new(),
        }
    }

    /// What somebody who asks says, as text.
    #[must_use]
    pub fn user(message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Role::User, message_id, vec![Part::text(text)])
    }

    /// What an agent answers, as text.
    #[must_use]
    pub fn agent(message_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Role::Agent, message_id, vec![Part::text(text)])
    }

    /// The same within this conversation and task.
    #[must_use]
    pub fn within(mut self, context_id: impl Into<String>, task_id: impl Into<String>) -> Self {
        self.context_id = Some(context_id.into());
        self.task_id = Some(task_id.into());
        self
    }

    /// The same with one more entry in its metadata.
    #[must_use]
    pub fn with_metadata(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.get_or_insert_default().insert(name.to_owned(), value.into());
        self
    }

    /// The text parts, joined by newlines; empty where there is none.
    #[must_use]
    pub fn text(&self) -> String {
        let texts: Vec<_> = self.parts.iter().filter_map(Part::as_text).collect();
        texts.join("\n")
    }
}
