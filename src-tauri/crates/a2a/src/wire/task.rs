//! Tasks: work that has a state, and what it made.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Members, Message, Part, TaskKind};

/// The state of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// Taken, not begun.
    Submitted,
    /// Being worked on.
    Working,
    /// Waiting for a person or the caller.
    InputRequired,
    /// Done. An end.
    Completed,
    /// Stopped on request. An end.
    Canceled,
    /// Failed. An end.
    Failed,
    /// Not taken. An end.
    Rejected,
    /// Waiting for credentials.
    AuthRequired,
    /// None of these, as far as we know.
    #[default]
    Unknown,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Submitted,
        Self::Working,
        Self::InputRequired,
        Self::Completed,
        Self::Canceled,
        Self::Failed,
        Self::Rejected,
        Self::AuthRequired,
        Self::Unknown,
    ];

    /// The v0.3 name.
    #[must_use]
    pub const fn v03(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Working => "working",
            Self::InputRequired => "input-required",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::AuthRequired => "auth-required",
            Self::Unknown => "unknown",
        }
    }

    /// The v1 name.
    #[must_use]
    pub const fn v1(self) -> &'static str {
        match self {
            Self::Submitted => "TASK_STATE_SUBMITTED",
            Self::Working => "TASK_STATE_WORKING",
            Self::InputRequired => "TASK_STATE_INPUT_REQUIRED",
            Self::Completed => "TASK_STATE_COMPLETED",
            Self::Canceled => "TASK_STATE_CANCELED",
            Self::Failed => "TASK_STATE_FAILED",
            Self::Rejected => "TASK_STATE_REJECTED",
            Self::AuthRequired => "TASK_STATE_AUTH_REQUIRED",
            Self::Unknown => "TASK_STATE_UNSPECIFIED",
        }
    }

    /// The state of this name, in either dialect; `None` for a name that neither has.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            // An early v1 spelt it so.
            "cancelled" | "TASK_STATE_CANCELLED" => Some(Self::Canceled),
            _ => Self::ALL.into_iter().find(|state| state.v03() == name || state.v1() == name),
        }
    }

    /// Nothing follows.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled | Self::Failed | Self::Rejected)
    }

    /// Somebody has to do something before it goes on.
    #[must_use]
    pub const fn is_interrupted(self) -> bool {
        matches!(self, Self::InputRequired | Self::AuthRequired)
    }

    /// It ended and did not succeed, and nobody asked for that.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Rejected)
    }
}

impl<'de> Deserialize<'de> for TaskState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?).unwrap_or_default())
    }
}

/// The state of a task at a time, and what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// The state.
    #[serde(default)]
    pub state: TaskState,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

impl TaskStatus {
    /// This state, with nothing said about it.
    #[must_use]
    pub fn new(state: TaskState) -> Self {
        Self { state, ..Self::default() }
    }

    /// The same with something said about it.
    #[must_use]
    pub fn saying(mut self, message: Message) -> Self {
        self.message = Some(message);
        self
    }
}

/// Something that a task made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Unique within the task; empty where the agent names none.
    #[serde(default)]
    pub artifact_id: String,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it holds.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// About the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

impl Artifact {
    /// An artifact of this id and parts.
    #[must_use]
    pub fn new(artifact_id: impl Into<String>, parts: Vec<Part>) -> Self {
        Self { artifact_id: artifact_id.into(), parts, ..Self::default() }
    }
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Always `task`.
    #[serde(default)]
    pub kind: TaskKind,
    /// The agent's id for it.
    #[serde(default)]
    pub id: String,
    /// The conversation.
    #[serde(default)]
    pub context_id: String,
    /// Where it stands.
    #[serde(default)]
    pub status: TaskStatus,
    /// What it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<Artifact>>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<Message>>,
    /// About the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

impl Task {
    /// A task of this id, conversation and state.
    #[must_use]
    pub fn new(id: impl Into<String>, context_id: impl Into<String>, status: TaskStatus) -> Self {
        Self { id: id.into(), context_id: context_id.into(), status, ..Self::default() }
    }
}
