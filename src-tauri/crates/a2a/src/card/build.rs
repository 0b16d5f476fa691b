//! Building a card.

use serde::{Deserialize, Serialize};

use crate::version::Dialect;

/// A card that readers of v0.3 and of v1 understand: it carries the keys of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCard {
    /// The agent's name.
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// The agent's own release, not a version of the protocol.
    pub version: String,
    /// The best version that it speaks at `url`.
    pub protocol_version: String,
    /// Where it is reached, as it is dialled.
    pub url: String,
    /// Always `JSONRPC`.
    pub preferred_transport: String,
    /// The same for v1 readers: every version at its address.
    pub supported_interfaces: Vec<Interface>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Media types that it reads.
    pub default_input_modes: Vec<String>,
    /// Media types that it writes.
    pub default_output_modes: Vec<String>,
    /// What it is good at.
    pub skills: Vec<Skill>,
}

/// An address and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Where.
    pub url: String,
    /// `JSONRPC`.
    pub protocol_binding: String,
    /// `1.0`, `0.3.0`.
    pub protocol_version: String,
}

/// What an agent can do beside answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// It streams.
    pub streaming: bool,
    /// It calls back.
    pub push_notifications: bool,
}

/// Something that an agent is good at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    /// Unique within the card.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What one might ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

impl Skill {
    /// A skill without tags and examples.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: description.into(),
            tags: Vec::new(),
            examples: Vec::new(),
        }
    }
}

impl AgentCard {
    /// The card of a v0.3 agent at `url` that reads and writes plain text, streams, and names no skill.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        version: impl Into<String>,
        url: impl Into<String>,
    ) -> Self {
        let url = url.into();
        let text = || vec!["text/plain".to_owned()];
        Self {
            name: name.into(),
            description: description.into(),
            version: version.into(),
            protocol_version: Dialect::V03.card_version().to_owned(),
            preferred_transport: "JSONRPC".to_owned(),
            supported_interfaces: vec![Interface::new(&url, Dialect::V03)],
            url,
            capabilities: Capabilities { streaming: true, push_notifications: false },
            default_input_modes: text(),
            default_output_modes: text(),
            skills: Vec::new(),
        }
    }

    /// The same for an agent that also takes v1 requests at the same address.
    #[must_use]
    pub fn and_v1(mut self) -> Self {
        self.supported_interfaces.insert(0, Interface::new(&self.url, Dialect::V1));
        self
    }

    /// The same with these skills.
    #[must_use]
    pub fn with_skills(mut self, skills: Vec<Skill>) -> Self {
        self.skills = skills;
        self
    }
}

impl Interface {
    fn new(url: &str, dialect: Dialect) -> Self {
        Self {
            url: url.to_owned(),
            protocol_binding: "JSONRPC".to_owned(),
            protocol_version: dialect.card_version().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AgentCard, Skill};
    use crate::{card::declared_versions, version::Versions};

    #[test]
    fn shape_of_a_card() {
        let card = AgentCard::new("Writer", "Writes.", "0.1.0", "http://127.0.0.1:4711")
            .and_v1()
            .with_skills(vec![Skill::new("write", "Write", "Writes text")]);
        insta::assert_json_snapshot!(card, @r#"
        {
          "name": "Writer",
          "description": "Writes.",
          "version": "0.1.0",
          "protocolVersion": "0.3.0",
          "url": "http://127.0.0.1:4711",
          "preferredTransport": "JSONRPC",
          "supportedInterfaces": [
            {
              "url": "http://127.0.0.1:4711",
              "protocolBinding": "JSONRPC",
              "protocolVersion": "1.0"
            },
            {
              "url": "http://127.0.0.1:4711",
              "protocolBinding": "JSONRPC",
              "protocolVersion": "0.3.0"
            }
          ],
          "capabilities": {
            "streaming": true,
            "pushNotifications": false
          },
          "defaultInputModes": [
            "text/plain"
          ],
          "defaultOutputModes": [
            "text/plain"
          ],
          "skills": [
            {
              "id": "write",
              "name": "Write",
              "description": "Writes text",
              "tags": []
            }
          ]
        }
        "#);
    }

    #[test]
    fn r68_a_built_card_declares_what_it_says() {
        let card = AgentCard::new("n", "d", "1.0.0", "u");
        let declared = |card: &AgentCard| declared_versions(&serde_json::to_value(card).unwrap());
        assert_eq!(declared(&card), Versions { v03: true, v1: false });
        assert_eq!(declared(&card.and_v1()), Versions { v03: true, v1: true });
    }
}
