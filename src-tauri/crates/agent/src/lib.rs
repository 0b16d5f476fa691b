//! The embedded agent: a small A2A server with model providers and tools.

mod clock;
mod config;
mod models;
mod profile;

pub use config::{AgentConfig, FolderConfig, Missing, ModelVariables, Overrides, Timing};
pub use profile::{ConfigFault, check_config};
