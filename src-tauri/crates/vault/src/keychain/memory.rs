//! A keychain in memory that can be locked, unlocked, replaced, taken away and made to hang: the
//! double that tests of this crate and of the platform use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::{Keychain, KeychainError};
use crate::Secret;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Open,
    Locked,
    Absent,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Secret>,
    mood: Mood,
    /// Calls that begin with this block.
    hanging: Option<String>,
    /// Calls that wait behind the prompt now.
    waiting: usize,
    calls: Vec<String>,
}

/// See the module. Clones share the same entries.
#[derive(Clone, Default)]
pub struct MemoryKeychain(Arc<(Mutex<State>, Condvar)>);

impl MemoryKeychain {
    /// An open, empty keychain.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on it answers that it is locked.
    pub fn lock(&self) {
        self.change(|state| state.mood = Mood::Locked);
    }

    /// It answers again, after being locked or absent.
    pub fn unlock(&self) {
        self.change(|state| state.mood = Mood::Open);
    }

    /// As if no keychain ran.
    pub fn vanish(&self) {
        self.change(|state| state.mood = Mood::Absent);
    }

    /// Another keychain in its place: all entries are gone.
    pub fn replace(&self) {
        self.change(|state| state.entries.clear());
    }

    /// Calls block from now on, like a prompt that nobody answers.
    pub fn hang(&self) {
        self.hang_at("");
    }

    /// Calls that begin with `call`, spelled as in [`MemoryKeychain::calls`], block from now on.
    pub fn hang_at(&self, call: &str) {
        self.change(|state| state.hanging = Some(call.into()));
    }

    /// The prompt is answered: blocked calls go on as the keychain then is.
    pub fn release(&self) {
        self.change(|state| state.hanging = None);
    }

    /// Blocks the calling thread until a call hangs in [`MemoryKeychain::hang`].
    pub fn wait_until_hung(&self) {
        let mut state = self.state();
        while state.waiting == 0 {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What lies under `account`.
    #[must_use]
    pub fn entry(&self, account: &str) -> Option<Secret> {
        self.state().entries.get(account).cloned()
    }

    /// Puts `value` under `account` past the vault, as another program could.
    pub fn plant(&self, account: &str, value: &str) {
        self.change(|state| {
            state.entries.insert(account.into(), Secret::from(value));
        });
    }

    /// Takes the entry away past the vault.
    pub fn steal(&self, account: &str) {
        self.change(|state| {
            state.entries.remove(account);
        });
    }

    /// The names of all entries.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        self.state().entries.keys().cloned().collect()
    }

    /// Every call so far, as `get account`, `set account`, `delete account` or `connect`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.state());
        self.0.1.notify_all();
    }

    fn enter(&self, call: String) -> Result<MutexGuard<'_, State>, KeychainError> {
        let mut state = self.state();
        state.calls.push(call.clone());
        while state.hanging.as_ref().is_some_and(|prefix| call.starts_with(prefix)) {
            state.waiting += 1;
            self.0.1.notify_all();
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        match state.mood {
            Mood::Open => Ok(state),
            Mood::Locked => Err(KeychainError::Locked),
            Mood::Absent => Err(KeychainError::Absent),
        }
    }
}

impl Keychain for MemoryKeychain {
    fn connect(&self) -> Result<(), KeychainError> {
        // A locked keychain connects; only its entries are out of reach.
        match self.enter("connect".into()) {
            Ok(_) | Err(KeychainError::Locked) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn get(&self, account: &str) -> Result<Option<Secret>, KeychainError> {
        Ok(self.enter(format!("get {account}"))?.entries.get(account).cloned())
    }

    fn set(&self, account: &str, value: &Secret) -> Result<(), KeychainError> {
        self.enter(format!("set {account}"))?.entries.insert(account.into(), value.clone());
        Ok(())
    }

    fn delete(&self, account: &str) -> Result<(), KeychainError> {
        self.enter(format!("delete {account}"))?.entries.remove(account);
        Ok(())
    }

    fn max_value_bytes(&self) -> usize {
        2 * 1024
    }
}
