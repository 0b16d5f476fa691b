//! What a stream says, one event at a time (40 §10.3).

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{Artifact, ArtifactUpdateKind, Members, Message, StatusUpdateKind, Task, TaskStatus};

/// The state of a task changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    /// Always `status-update`.
    #[serde(default)]
    pub kind: StatusUpdateKind,
    /// The task.
    #[serde(default)]
    pub task_id: String,
    /// The conversation.
    #[serde(default)]
    pub context_id: String,
    /// Where it stands now.
    #[serde(default)]
    pub status: TaskStatus,
    /// The last event of this stream.
    #[serde(default, rename = "final")]
    pub last: bool,
    /// About the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

/// A task made something, or a piece of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactUpdate {
    /// Always `artifact-update`.
    #[serde(default)]
    pub kind: ArtifactUpdateKind,
    /// The task.
    #[serde(default)]
    pub task_id: String,
    /// The conversation.
    #[serde(default)]
    pub context_id: String,
    /// The piece.
    #[serde(default)]
    pub artifact: Artifact,
    /// It goes after the earlier pieces of the same artifact.
    #[serde(default)]
    pub append: bool,
    /// No piece of this artifact follows.
    #[serde(default)]
    pub last_chunk: bool,
    /// About the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Members>,
    /// Members that this crate does not know.
    #[serde(flatten)]
    pub extra: Members,
}

/// One event of a stream, or the one result of a send.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// A message: the whole answer of a simple agent.
    Message(Message),
    /// A task, as it stands.
    Task(Task),
    /// Its state changed.
    Status(StatusUpdate),
    /// It made something.
    Artifact(ArtifactUpdate),
}

impl Event {
    /// Nothing follows in this stream.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        match self {
            Self::Message(_) => true,
            Self::Task(task) => task.status.state.is_end(),
            Self::Status(update) => update.last || update.status.state.is_end(),
            Self::Artifact(_) => false,
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    /// By `kind`; else by v1's wrapper; else by the members that only one of them has.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let kind = match value.get("kind").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => {
                let wrapped = ["message", "task", "statusUpdate", "artifactUpdate"]
                    .into_iter()
                    .find(|name| value.get(name).is_some_and(Value::is_object));
                if let Some(name) = wrapped {
                    value = value[name].take();
                }
                wrapped.unwrap_or_else(|| guess(&value)).to_owned()
            }
        };
        let read = match kind.as_str() {
            "message" => Message::deserialize(value).map(Self::Message),
            "task" => Task::deserialize(value).map(Self::Task),
            "status-update" | "statusUpdate" => StatusUpdate::deserialize(value).map(Self::Status),
            "artifact-update" | "artifactUpdate" => ArtifactUpdate::deserialize(value).map(Self::Artifact),
            other => return Err(D::Error::custom(format_args!("no event is of the kind {other:?}"))),
        };
        read.map_err(D::Error::custom)
    }
}

fn guess(value: &Value) -> &'static str {
    let has = |name| value.get(name).is_some();
    match (has("parts"), has("status"), has("taskId")) {
        (true, ..) => "message",
        (_, true, true) => "status-update",
        (_, true, false) => "task",
        _ if has("artifact") => "artifact-update",
        _ => "",
    }
}
