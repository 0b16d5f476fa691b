//! What a vault is opened with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{Keychain, Secret, sealed::wrap::Cost};

/// Which keychain to use.
#[derive(Clone, Default)]
pub enum KeychainChoice {
    /// That of the operating system, if it answers.
    #[default]
    Auto,
    /// None: everything goes to the sealed file.
    Off,
    /// This one.
    Custom(Arc<dyn Keychain>),
}

/// Options of [`crate::Vault::open`].
#[derive(Clone)]
#[non_exhaustive]
pub struct VaultOptions {
    /// The data directory; `secrets.sealed` and `sealed.key` lie in it.
    pub data_dir: PathBuf,
    /// Keeps the keys of two data directories of one user apart in one keychain.
    pub installation_id: String,
    /// Which keychain to use.
    pub keychain: KeychainChoice,
    /// How long the keychain may think at start before the sealed file takes over.
    pub probe_timeout: Duration,
    /// How long one read, write or delete may take.
    pub call_timeout: Duration,
    /// How long [`crate::Vault::retry`] waits for a person at a prompt.
    pub retry_timeout: Duration,
    /// Closes the key of the sealed file where no keychain holds it.
    pub passphrase: Option<Secret>,
    pub(crate) cost: Cost,
}

impl VaultOptions {
    /// The system's keychain with the product's deadlines: 2 s, 5 s and 60 s.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, installation_id: impl Into<String>) -> Self {
        Self {
            data_dir: data_dir.into(),
            installation_id: installation_id.into(),
            keychain: KeychainChoice::Auto,
            probe_timeout: Duration::from_secs(2),
            call_timeout: Duration::from_secs(5),
            retry_timeout: Duration::from_secs(60),
            passphrase: None,
            cost: Cost::DEFAULT,
        }
    }
}
