//! Everything the vault logs, at every level, from all its threads: no value, no name, no account.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use molecule_vault::{KeychainChoice, KeychainError, Scope, Secret, Vault, VaultOptions};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Writes down every field of every event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        *self.0.lock().unwrap() += &format!("{}={value:?}\n", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.target().starts_with("molecule_vault")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Takes the key of the sealed file and refuses everything else, in turn.
struct Moody(Mutex<Option<Secret>>, Mutex<u8>);

impl molecule_vault::Keychain for Moody {
    fn connect(&self) -> Result<(), KeychainError> {
        Ok(())
    }

    fn get(&self, account: &str) -> Result<Option<Secret>, KeychainError> {
        self.mood(account)?;
        Ok(self.0.lock().unwrap().clone())
    }

    fn set(&self, account: &str, value: &Secret) -> Result<(), KeychainError> {
        self.mood(account)?;
        *self.0.lock().unwrap() = Some(value.clone());
        Ok(())
    }

    fn delete(&self, account: &str) -> Result<(), KeychainError> {
        self.mood(account)
    }

    fn max_value_bytes(&self) -> usize {
        1024
    }
}

impl Moody {
    fn mood(&self, account: &str) -> Result<(), KeychainError> {
        if account.starts_with("machine/") {
            return Ok(());
        }
        let mut turn = self.1.lock().unwrap();
        *turn += 1;
        match *turn % 4 {
            0 => Err(KeychainError::Locked),
            1 => Err(KeychainError::Refused),
            2 => Ok(()),
            _ => Err(KeychainError::Absent),
        }
    }
}

#[tokio::test]
async fn no_value_no_name_and_no_account_is_logged() {
    const VALUE: &str = "a-value-that-must-not-show";
    const NAME: &str = "A_NAME_THAT_MUST_NOT_SHOW";
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    let moody: Arc<dyn molecule_vault::Keychain> = Arc::new(Moody(Mutex::default(), Mutex::default()));
    for keychain in [KeychainChoice::Custom(moody.clone()), KeychainChoice::Off, KeychainChoice::Custom(moody)] {
        let mut options = VaultOptions::new(dir.path(), "here");
        options.keychain = keychain;
        let vault = Vault::open(options).await.unwrap();
        for _ in 0..4 {
            let marker = vault.put(&Scope::Global, NAME, &Secret::from(VALUE)).await.unwrap();
            let _ = vault.get(&Scope::Global, NAME, &marker).await;
            vault.machine_put(NAME, Secret::from(VALUE));
            vault.retry().await;
            vault.delete(&Scope::Global, NAME, marker.store).await.unwrap();
        }
        vault.close().await.unwrap();
    }
    let log = log.0.lock().unwrap();
    for needle in [VALUE, NAME, "global/", dir.path().to_str().unwrap()] {
        assert!(!log.contains(needle), "{needle} in:\n{log}");
    }
    for expected in ["store=\"keychain\"", "store=\"sealed\"", "scope=\"global\"", "elapsed_ms="] {
        assert!(log.contains(expected), "{expected} not in:\n{log}");
    }
}
