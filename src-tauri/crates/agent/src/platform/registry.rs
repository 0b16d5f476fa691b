//! Being known: register, heartbeat, peers (10 §4, §5, §7).

use serde::Serialize;
use serde_json::{Value, json};

use super::{LIMIT, Platform, PlatformFault, SHORT_LIMIT};

/// A heartbeat (10 §5.1). Always a full one: it states the real uptime and the overrides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Beat {
    pub workspace_id: String,
    pub error_rate: f64,
    pub sample_error: String,
    pub active_tasks: usize,
    pub current_task: String,
    /// Never 0, which would make it a side beat.
    pub uptime_seconds: u64,
    pub runtime_metadata: Value,
}

/// What a register or a heartbeat brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    Known,
    /// The workspace was deleted: there is nothing left to be (410).
    Removed,
}

/// How a colleague stands to this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Child,
    Parent,
    Sibling,
}

impl Relation {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Parent => "parent",
            Self::Sibling => "sibling",
        }
    }
}

/// Somebody this agent may talk to (10 §7.3).
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub id: String,
    pub name: String,
    pub role: String,
    pub status: String,
    pub relation: Relation,
    /// Names of skills, from the card.
    pub skills: Vec<String>,
    /// Whether there is a card at all: prompts leave out who never registered (40 §14).
    pub has_card: bool,
}

impl Platform {
    /// `POST /registry/register`. Keeps what is handed over.
    pub(crate) async fn register(&self, url: &str, card: &Value) -> Result<Registered, PlatformFault> {
        let body = json!({"id": self.workspace_id, "url": url, "agent_card": card, "delivery_mode": "push"});
        self.taken(self.post("/registry/register", &body).await)
    }

    /// `POST /registry/heartbeat`. Keeps what is handed over.
    pub(crate) async fn heartbeat(&self, beat: &Beat) -> Result<Registered, PlatformFault> {
        let body = serde_json::to_value(beat).map_err(|_| PlatformFault::Unexpected)?;
        self.taken(self.post("/registry/heartbeat", &body).await)
    }

    fn taken(&self, answer: Result<Value, PlatformFault>) -> Result<Registered, PlatformFault> {
        match answer {
            Ok(body) => {
                if let Some(token) = body["auth_token"].as_str() {
                    self.credentials.keep_token(token);
                }
                if let Some(secret) = body["platform_inbound_secret"].as_str() {
                    self.credentials.keep_inbound_secret(secret);
                }
                Ok(Registered::Known)
            }
            Err(fault) if fault.status() == Some(410) => Ok(Registered::Removed),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the platform still has this workspace (410 says no; anything else is no answer).
    pub(crate) async fn is_removed(&self) -> bool {
        let answer = self.get(&self.own(""), SHORT_LIMIT).await;
        answer.is_err_and(|fault| fault.status() == Some(410))
    }

    /// Siblings, children and parent, in the platform's order.
    pub(crate) async fn peers(&self) -> Result<Vec<Peer>, PlatformFault> {
        let rows = self.get(&format!("/registry/{}/peers", self.workspace_id), LIMIT).await?;
        let rows = rows.as_array().ok_or(PlatformFault::Unexpected)?;
        Ok(rows.iter().filter_map(|row| self.peer(row)).collect())
    }

    fn peer(&self, row: &Value) -> Option<Peer> {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let (id, name) = (row["id"].as_str()?.to_owned(), text("name"));
        let parent = row["parent_id"].as_str();
        let relation = match &self.parent_id {
            _ if parent == Some(self.workspace_id.as_str()) => Relation::Child,
            Some(own_parent) if *own_parent == id => Relation::Parent,
            _ => Relation::Sibling,
        };
        // Cards come as an object or as JSON text (40 §7).
        let card = match &row["agent_card"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            other => other.clone(),
        };
        let skills = card["skills"].as_array().into_iter().flatten();
        let skills = skills
            .filter_map(|skill| skill["name"].as_str().or_else(|| skill["id"].as_str()).or_else(|| skill.as_str()));
        Some(Peer {
            name: if name.is_empty() { id.clone() } else { name },
            role: text("role"),
            status: text("status"),
            relation,
            skills: skills.map(str::to_owned).collect(),
            has_card: card.is_object(),
            id,
        })
    }
}
