//! Asking the keychain for the key of the sealed file: the one question that shows whether it works.

use std::time::Duration;

use crate::{
    keychain::{
        Keychain, KeychainError,
        worker::{Patience, Worker},
    },
    sealed::key::MasterKey,
};

/// The account of the entry. With the installation's id, because two data directories of one user
/// share a keychain but not a key.
pub(crate) fn account(installation_id: &str) -> String {
    format!("machine/sealed-key/{installation_id}")
}

/// The key in the keychain. Where it has none it gets `offer`, or a new one; only a keychain that
/// takes an entry and gives it back counts as working, because a locked one may well say that it
/// has no such entry. If nobody waits for the answer any more, the next question finds the key.
pub(crate) async fn key(
    worker: &Worker,
    account: String,
    offer: Option<MasterKey>,
    limit: Duration,
) -> Result<MasterKey, KeychainError> {
    worker.call("probe", limit, Patience::Queue, move |keychain| ask(keychain, &account, offer)).await
}

fn ask(keychain: &dyn Keychain, account: &str, offer: Option<MasterKey>) -> Result<MasterKey, KeychainError> {
    keychain.connect()?;
    if let Some(key) = keychain.get(account)?.as_ref().and_then(MasterKey::parse) {
        return Ok(key);
    }
    let key = match offer {
        Some(key) => key,
        None => MasterKey::random().map_err(|_| KeychainError::Refused)?,
    };
    keychain.set(account, &key.to_text())?;
    let stored = keychain.get(account)?.as_ref().and_then(MasterKey::parse);
    stored.filter(|stored| *stored == key).ok_or(KeychainError::Refused)
}
