//! The vault from outside, over a keychain in memory and over the sealed file.

mod both;
mod damage;
mod files;
mod locked;
mod moves;

use std::{path::PathBuf, sync::Arc, time::Duration};

use molecule_model::WorkspaceId;
use tempfile::TempDir;

use crate::{
    KeychainChoice, LostReason, Marker, MemoryKeychain, Scope, Secret, StoreKind, Vault, VaultError, VaultOptions,
    VaultState, sealed::wrap::Cost,
};

const KEY_ACCOUNT: &str = "machine/sealed-key/here";
const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
/// Long enough for a busy machine to answer, short enough to be waited out.
const SHORT: Duration = Duration::from_millis(400);

/// A data directory and a keychain.
struct Desk {
    dir: TempDir,
    keychain: MemoryKeychain,
}

impl Desk {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), keychain: MemoryKeychain::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "secrets.lock");
        names.sort();
        names
    }

    fn options(&self) -> VaultOptions {
        let mut options = VaultOptions::new(self.dir.path(), "here");
        options.keychain = KeychainChoice::Custom(Arc::new(self.keychain.clone()));
        options.cost = CHEAP;
        options
    }

    fn off(&self) -> VaultOptions {
        VaultOptions { keychain: KeychainChoice::Off, ..self.options() }
    }

    /// Deadlines that a test can wait out.
    fn hasty(&self) -> VaultOptions {
        VaultOptions { probe_timeout: SHORT, call_timeout: SHORT, ..self.options() }
    }

    async fn open(&self) -> Vault {
        Vault::open(self.options()).await.unwrap()
    }

    async fn open_off(&self) -> Vault {
        Vault::open(self.off()).await.unwrap()
    }
}

fn workspace() -> Scope {
    Scope::Workspace(WorkspaceId::random())
}

fn secret(text: &str) -> Secret {
    Secret::from(text)
}

async fn put(vault: &Vault, key: &str, value: &str) -> Marker {
    vault.put(&Scope::Global, key, &secret(value)).await.unwrap()
}

async fn get(vault: &Vault, key: &str, marker: &Marker) -> Result<String, VaultError> {
    let value = vault.get(&Scope::Global, key, marker).await?;
    Ok(value.expose().to_owned())
}

fn lost(reason: LostReason) -> Result<String, VaultError> {
    Err(VaultError::Lost(reason))
}

/// Waits until the vault says so by itself.
async fn until(vault: &Vault, state: VaultState, store: StoreKind) {
    let mut status = vault.subscribe();
    let found = status.wait_for(|now| now.state == state && now.store == store);
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap().unwrap();
}
