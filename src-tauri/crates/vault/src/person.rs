//! What a person stored: one keychain entry each, the sealed file where the keychain does not take it.
//!
//! Two rules keep the two places from contradicting each other. A value in the sealed file is never
//! older than the one in the keychain: a write that finds one there changes it first. And a value is
//! only handed out if it is the one that the marker in SQLite speaks of.

use std::{sync::Arc, time::Instant};

use crate::{
    KeychainError, LostReason, Marker, Scope, Secret, StoreKind, Stored, Vault, VaultError, VaultStatus, check_value,
    keychain::worker::{Patience, Worker, elapsed_ms},
    probe,
    sealed::{self, format::Held},
    status::Link,
    vault::Inner,
};

impl Vault {
    /// Stores a value and says what to keep of it in SQLite. It answers within the call's deadline:
    /// if the keychain has not, the value lies in the sealed file and moves later.
    ///
    /// The marker and the value belong together, so let one caller at a time change a key, and not
    /// one whose client may hang up in between.
    ///
    /// # Errors
    /// Neither store took the value.
    pub async fn put(&self, scope: &Scope, key: &str, value: &Secret) -> Result<Stored, VaultError> {
        let began = Instant::now();
        let account = scope.account(key);
        let check = self.check_value(scope, key, value)?;
        let store = match self.put_keychain(&account, value).await? {
            true => StoreKind::Keychain,
            false => {
                self.put_sealed(&account, value).await?;
                StoreKind::Sealed
            }
        };
        done("put", scope, store, began);
        Ok(Stored { store, length: value.len(), check })
    }

    /// The value that `marker` speaks of.
    ///
    /// # Errors
    /// [`VaultError::Lost`] when it cannot be had, or when what lies there is another value.
    pub async fn get(&self, scope: &Scope, key: &str, marker: &Marker) -> Result<Secret, VaultError> {
        let began = Instant::now();
        let inner = &self.inner;
        let account = scope.account(key);
        let right = |value: &Secret| value.len() == marker.length && inner.book.holds(&account, value, &marker.check);
        let sealed = inner.book.get(&sealed::person(&account));
        if let Some(value) = sealed.as_ref().filter(|value| right(value)) {
            done("get", scope, StoreKind::Sealed, began);
            return Ok(value.clone());
        }
        let wrong = if sealed.is_some() { LostReason::Changed } else { LostReason::Missing };
        let Some(worker) = inner.usable() else {
            let condition = inner.condition();
            let elsewhere = marker.store == StoreKind::Sealed && !condition.needs_keychain();
            let reason = match condition.link {
                _ if sealed.is_some() => LostReason::Changed,
                Link::Locked => LostReason::Locked,
                Link::Silent => LostReason::Unanswered,
                Link::Up | Link::Absent | Link::Off if elsewhere => wrong,
                Link::Up | Link::Absent | Link::Off => LostReason::Unavailable,
            };
            return Err(VaultError::Lost(reason));
        };
        let entry = account.clone();
        let answer = worker
            .call("get", inner.call_timeout, Patience::RefuseWhileHung, move |keychain| keychain.get(&entry))
            .await;
        let reason = match answer {
            Ok(Some(value)) if right(&value) => {
                done("get", scope, StoreKind::Keychain, began);
                return Ok(value);
            }
            Ok(Some(_)) => LostReason::Changed,
            Ok(None) => wrong,
            Err(error) => {
                inner.note(error);
                lost(error)
            }
        };
        Err(VaultError::Lost(reason))
    }

    /// Deletes a value wherever it lies. What the keychain does not delete within the deadline is
    /// deleted there later.
    ///
    /// # Errors
    /// The sealed file could not be written.
    pub async fn delete(&self, scope: &Scope, key: &str, store: StoreKind) -> Result<(), VaultError> {
        let began = Instant::now();
        let inner = &self.inner;
        let account = scope.account(key);
        inner.book.remove(&sealed::person(&account));
        let gone = match inner.usable() {
            Some(worker) => {
                let entry = account.clone();
                let answer = worker
                    .call("delete", inner.call_timeout, Patience::RefuseWhileHung, move |keychain| {
                        keychain.delete(&entry)
                    })
                    .await;
                answer.inspect_err(|error| inner.note(*error)).is_ok()
            }
            // A keychain that was never there holds nothing, unless the marker says so.
            None => store == StoreKind::Sealed && matches!(inner.link(), Link::Absent | Link::Off),
        };
        if gone {
            inner.book.remove(&sealed::doomed(&account));
        } else {
            inner.book.put(sealed::doomed(&account), Secret::from(""));
        }
        inner.book.flush().await?;
        done("delete", scope, store, began);
        Ok(())
    }

    /// The check of a value as [`Vault::put`] makes it, see [`check_value`].
    ///
    /// # Errors
    /// [`VaultError::Crypto`], which no working system gives.
    pub fn check_value(&self, scope: &Scope, key: &str, value: &Secret) -> Result<String, VaultError> {
        check_value(&self.inner.book.check_key()?, &scope.account(key), value)
    }

    /// Where a stored value lies now: the marker says where it was put, but what waits in the sealed
    /// file moves to the keychain by itself.
    #[must_use]
    pub fn where_is(&self, scope: &Scope, key: &str) -> StoreKind {
        match self.inner.book.has(&sealed::person(&scope.account(key))) {
            true => StoreKind::Sealed,
            false => StoreKind::Keychain,
        }
    }

    /// Asks the keychain anew, after the person unlocked or started it, and waits as long as a prompt
    /// may take. If it answers, values of an earlier sealed file come back and what waits in the
    /// present one moves to the keychain.
    pub async fn retry(&self) -> VaultStatus {
        let inner = &self.inner;
        let Some(worker) = &inner.worker else {
            return self.status();
        };
        let turn = inner.asking.lock().await;
        let offer = Some(inner.book.key());
        match probe::key(worker, inner.account.clone(), offer, inner.retry_timeout).await {
            Err(error) => inner.judge(|health| health.link = Link::after(error).unwrap_or(Link::Absent)),
            Ok(key) => {
                let took = match inner.book.rekey(key, Held::Keychain) {
                    Ok(()) => self.take_back().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = took {
                    tracing::error!(store = "sealed", %error, "earlier secrets file not taken back");
                }
                inner.judge(|health| health.link = Link::Up);
            }
        }
        drop(turn);
        self.settle().await;
        self.status()
    }

    /// Whether the keychain took the value.
    async fn put_keychain(&self, account: &str, value: &Secret) -> Result<bool, VaultError> {
        let inner = &self.inner;
        let Some(worker) = inner.usable().filter(|worker| value.len() <= worker.max_value_bytes()) else {
            return Ok(false);
        };
        let name = sealed::person(account);
        let before = inner.book.has(&name).then(|| inner.book.put(name.clone(), value.clone()));
        let spared = inner.book.remove(&sealed::doomed(account));
        if before.is_some() || spared {
            inner.book.flush().await?;
        }
        let (entry, secret) = (account.to_owned(), value.clone());
        let answer = worker
            .call("put", inner.call_timeout, Patience::RefuseWhileHung, move |keychain| keychain.set(&entry, &secret))
            .await;
        if let Err(error) = answer {
            inner.note(error);
            return Ok(false);
        }
        if before.is_some_and(|version| inner.book.remove_version(&name, version)) {
            inner.book.flush().await?;
        }
        Ok(true)
    }

    async fn put_sealed(&self, account: &str, value: &Secret) -> Result<(), VaultError> {
        let inner = &self.inner;
        inner.book.put(sealed::person(account), value.clone());
        let too_long = inner.worker.as_ref().is_some_and(|worker| value.len() > worker.max_value_bytes());
        if too_long {
            // It stays here; an older, shorter value must not stay there.
            inner.book.put(sealed::doomed(account), Secret::from(""));
            inner.nudge.notify_one();
        }
        inner.book.flush().await
    }
}

impl Inner {
    /// The keychain's thread, if the keychain answered last time.
    pub fn usable(&self) -> Option<&Arc<Worker>> {
        self.worker.as_ref().filter(|_| self.link() == Link::Up)
    }
}

impl Link {
    /// What a failed call says about the keychain; `None` if it says nothing.
    pub(crate) fn after(error: KeychainError) -> Option<Self> {
        match error {
            KeychainError::Absent => Some(Self::Absent),
            KeychainError::Locked => Some(Self::Locked),
            KeychainError::Unanswered => Some(Self::Silent),
            KeychainError::Refused => None,
        }
    }
}

fn lost(error: KeychainError) -> LostReason {
    match error {
        KeychainError::Absent => LostReason::Unavailable,
        KeychainError::Locked => LostReason::Locked,
        KeychainError::Unanswered => LostReason::Unanswered,
        KeychainError::Refused => LostReason::Unreadable,
    }
}

fn done(call: &'static str, scope: &Scope, store: StoreKind, began: Instant) {
    let elapsed_ms = elapsed_ms(began);
    tracing::debug!(call, scope = scope.kind(), store = store.as_str(), elapsed_ms, "secret");
}
