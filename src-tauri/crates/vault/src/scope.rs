//! Whose secret it is, where it lies, and what SQLite remembers of it.

use std::str::FromStr;

use molecule_model::WorkspaceId;
use serde::{Deserialize, Serialize};

/// Whose secret: everybody's, or one workspace's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// For every workspace that has none of its own by the same name.
    Global,
    /// For one workspace.
    Workspace(WorkspaceId),
}

impl Scope {
    /// The account of the keychain entry: `global/KEY` or `<workspace>/KEY` (ARCHITECTURE §3).
    #[must_use]
    pub fn account(&self, key: &str) -> String {
        match self {
            Self::Global => format!("global/{key}"),
            Self::Workspace(id) => format!("{id}/{key}"),
        }
    }

    /// `global` or `workspace`, as the wire and the log name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Workspace(_) => "workspace",
        }
    }
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// One entry in the keychain of the operating system.
    Keychain,
    /// In `secrets.sealed` in the data directory.
    Sealed,
}

impl StoreKind {
    /// `keychain` or `sealed`, as table and wire spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::Sealed => "sealed",
        }
    }
}

/// The text was neither `keychain` nor `sealed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret lies in `keychain` or in `sealed`")]
pub struct UnknownStore;

impl FromStr for StoreKind {
    type Err = UnknownStore;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "keychain" => Ok(Self::Keychain),
            "sealed" => Ok(Self::Sealed),
            _ => Err(UnknownStore),
        }
    }
}

/// What SQLite keeps beside a secret's name: enough to notice that the value is gone or is
/// another one, too little to guess it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Where it was put. A hint: a value in the sealed file moves to the keychain by itself.
    pub store: StoreKind,
    /// Length of the value in bytes; 0 counts as not configured (S062).
    pub length: usize,
    /// Keyed check of the value, see [`crate::check_value`].
    pub check: String,
}

/// What [`crate::Vault::put`] answers: the marker to write in the same breath.
pub type Stored = Marker;

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::{Scope, StoreKind};

    #[test]
    fn accounts_are_those_of_the_architecture() {
        let id = WorkspaceId::parse_strict("0b0e2f9c-7c1d-4a53-9f0e-2f1f6f0f9a11").unwrap();
        assert_eq!(Scope::Global.account("OPENAI_API_KEY"), "global/OPENAI_API_KEY");
        assert_eq!(Scope::Workspace(id).account("A/B"), "0b0e2f9c-7c1d-4a53-9f0e-2f1f6f0f9a11/A/B");
    }

    #[test]
    fn stores_read_back_as_written() {
        for store in [StoreKind::Keychain, StoreKind::Sealed] {
            assert_eq!(store.as_str().parse(), Ok(store));
            assert_eq!(serde_json::to_value(store).unwrap(), store.as_str());
        }
        assert!("Keychain".parse::<StoreKind>().is_err());
    }
}
