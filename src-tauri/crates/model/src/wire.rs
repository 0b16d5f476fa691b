//! Shapes that several services read or write and that the contract fixes.

use serde::{Deserialize, Serialize};

/// How messages reach an agent (10 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// The platform posts to the agent's URL.
    Push,
    /// The agent reads its activity.
    Poll,
}

impl DeliveryMode {
    /// The word on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
        }
    }

    /// Reads the word; anything else is none of the two.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "push" => Some(Self::Push),
            "poll" => Some(Self::Poll),
            _ => None,
        }
    }
}

/// What an agent may do with the folder it was given (20 §0.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceAccess {
    /// The folder is stored but not given to the agent.
    None,
    /// It may read.
    ReadOnly,
    /// It may read and write.
    ReadWrite,
}

impl WorkspaceAccess {
    /// The word on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReadOnly => "read_only",
            Self::ReadWrite => "read_write",
        }
    }

    /// Reads the word; empty is `none`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "none" => Some(Self::None),
            "read_only" => Some(Self::ReadOnly),
            "read_write" => Some(Self::ReadWrite),
            _ => None,
        }
    }
}

/// The scope of an agent's memory (30 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MemoryScope {
    /// Only the workspace itself.
    Local,
    /// Its team.
    Team,
    /// Everyone.
    Global,
}

impl MemoryScope {
    /// The word on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::Team => "TEAM",
            Self::Global => "GLOBAL",
        }
    }

    /// Reads the word, upper case only.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "LOCAL" => Some(Self::Local),
            "TEAM" => Some(Self::Team),
            "GLOBAL" => Some(Self::Global),
            _ => None,
        }
    }
}
