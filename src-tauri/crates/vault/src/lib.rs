//! Secrets: the OS keychain, and a sealed file where there is none.
//!
//! What a person stores gets one keychain entry each; what the machine makes for itself lies in
//! `secrets.sealed`, whose key is one keychain entry. Where no keychain answers in time the
//! sealed file takes everything, and its key lies in a 0600 file beside it or is closed with a
//! passphrase (ARCHITECTURE §3). There is no plain-text fallback and no built-in key.
//!
//! SQLite keeps only a [`Marker`] beside each name. A value that the marker speaks of and that is not
//! there, or is another one, is [`VaultError::Lost`]; it is never made anew in silence.
//!
//! No value, name or account is ever logged: only store, scope and time taken.

mod error;
mod keychain;
mod options;
mod person;
mod probe;
mod scope;
mod sealed;
mod secret;
mod settle;
mod status;
mod vault;

#[cfg(test)]
mod tests;

pub use error::{LostReason, VaultError};
#[cfg(any(test, feature = "memory-keychain"))]
pub use keychain::memory::MemoryKeychain;
pub use keychain::{Keychain, KeychainError, SERVICE};
pub use options::{KeychainChoice, VaultOptions};
pub use scope::{Marker, Scope, StoreKind, Stored, UnknownStore};
pub use sealed::check::{CheckKey, check_value};
pub use secret::Secret;
pub use status::{VaultState, VaultStatus};
pub use vault::Vault;
