//! Agent cards: building one that both dialects read, reading which versions one declares, and showing one that
//! leads to its agent through us.

mod build;
mod declared;
mod published;

pub use build::{AgentCard, Capabilities, Interface, Skill};
pub use declared::declared_versions;
pub use published::{Published, published};

/// Where a card lies, best first. v1 has only the first; v0.2 had only the second (40 §10.1).
pub const WELL_KNOWN: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];
