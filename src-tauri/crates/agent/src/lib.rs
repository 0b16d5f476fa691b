//! The embedded agent: a small A2A server with model providers and tools.

mod clock;
mod commands;
mod config;
mod files;
mod models;
mod profile;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use config::{AgentConfig, FolderConfig, Missing, ModelVariables, Overrides, Timing};
pub use profile::{ConfigFault, check_config};
