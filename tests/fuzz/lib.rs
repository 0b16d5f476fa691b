//! The targets, and the one file of the platform that they try: the whole of it would be built for nothing.

/// The guard of agents' addresses, as the platform has it.
#[path = "../../src-tauri/crates/platform/src/registry/address.rs"]
pub mod address;
pub mod targets;

use url::Url;
