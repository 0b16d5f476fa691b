//! The targets, and the one module of the platform that they try: the whole of it would be built for nothing.

/// The guard of agents' addresses, as the platform has it.
#[path = "../../src-tauri/crates/platform/src/registry/address/mod.rs"]
pub mod address;
pub mod targets;

use url::Url;
