//! Secret Service, macOS Keychain or Windows Credential Manager.

use std::sync::{Arc, Mutex, PoisonError};

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroize;

use super::{Keychain, KeychainError, SERVICE};
use crate::Secret;

/// Credential Manager takes 2,560 bytes for a value; the rest is left as room.
#[cfg(windows)]
const MAX_VALUE_BYTES: usize = 2 * 1024;
/// Neither Keychain nor Secret Service names a limit; daemons keep values in locked memory, which
/// is scarce.
#[cfg(not(windows))]
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// The keychain of this system, reconnected when asked or when its daemon was restarted.
#[derive(Default)]
pub(crate) struct SystemKeychain {
    store: Mutex<Option<Arc<CredentialStore>>>,
}

impl SystemKeychain {
    fn reopen(&self) -> Result<Arc<CredentialStore>, Error> {
        let opened = open();
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = opened.as_ref().ok().cloned();
        opened
    }

    fn store(&self) -> Result<(Arc<CredentialStore>, bool), Error> {
        let known = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(store) => Ok((store, false)),
            None => Ok((self.reopen()?, true)),
        }
    }

    /// Runs `call` on the entry; once more over a new connection when the platform failed, because
    /// a restarted daemon knows nothing of our session.
    fn with<T>(&self, account: &str, call: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, KeychainError> {
        let (store, fresh) = self.store().map_err(|error| reading(&error))?;
        let first = entry(&*store, account).and_then(|entry| call(&entry));
        match first {
            Err(Error::PlatformFailure(_)) if !fresh => self
                .reopen()
                .and_then(|store| entry(&*store, account))
                .and_then(|entry| call(&entry))
                .map_err(|error| reading(&error)),
            other => other.map_err(|error| reading(&error)),
        }
    }
}

impl Keychain for SystemKeychain {
    fn connect(&self) -> Result<(), KeychainError> {
        self.reopen().map(drop).map_err(|error| reading(&error))
    }

    fn get(&self, account: &str) -> Result<Option<Secret>, KeychainError> {
        self.with(account, |entry| match entry.get_secret() {
            Ok(bytes) => text(bytes).map(Some),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn set(&self, account: &str, value: &Secret) -> Result<(), KeychainError> {
        // Bytes both ways: the text calls would store UTF-16 on Windows and halve the room.
        let bytes = value.expose().as_bytes();
        self.with(account, |entry| match entry.set_secret(bytes) {
            Err(Error::Ambiguous(twins)) => {
                remove(&twins)?;
                entry.set_secret(bytes)
            }
            other => other,
        })
    }

    fn delete(&self, account: &str) -> Result<(), KeychainError> {
        self.with(account, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            Err(Error::Ambiguous(twins)) => remove(&twins),
            other => other,
        })
    }

    fn max_value_bytes(&self) -> usize {
        MAX_VALUE_BYTES
    }
}

/// Every value of ours is text; KDE's wallet would not even take other bytes.
fn text(bytes: Vec<u8>) -> Result<Secret, Error> {
    String::from_utf8(bytes).map(Secret::from).map_err(|error| {
        error.into_bytes().zeroize();
        Error::BadEncoding(Vec::new())
    })
}

fn remove(twins: &[Entry]) -> Result<(), Error> {
    twins.iter().try_for_each(Entry::delete_credential)
}

fn reading(error: &Error) -> KeychainError {
    match error {
        Error::NoStorageAccess(_) => KeychainError::Locked,
        Error::PlatformFailure(_) | Error::NoDefaultStore => KeychainError::Absent,
        _ => KeychainError::Refused,
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// Only the Secret Service shows a label of its own to the person who opens the keychain.
#[cfg(all(unix, not(target_os = "macos")))]
fn entry(store: &CredentialStore, account: &str) -> Result<Entry, Error> {
    let label = format!("Molecule: {account}");
    let label = std::collections::HashMap::from([("label", label.as_str())]);
    store.build(SERVICE, account, Some(&label))
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn entry(store: &CredentialStore, account: &str) -> Result<Entry, Error> {
    store.build(SERVICE, account, None)
}
