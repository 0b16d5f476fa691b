//! Which store is in use and how it is, as the UI and `/health` show it.

use serde::Serialize;

use crate::StoreKind;

/// How the vault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultState {
    /// Everything that was stored is in reach.
    Ready,
    /// A keychain is there but locked or silent; [`crate::Vault::retry`] after it was unlocked.
    Locked,
    /// What was stored is not here any more; the names in the markers must be entered again.
    Replaced,
    /// The keychain that was in use is not running.
    Unavailable,
}

/// What a person is told about the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VaultStatus {
    /// Where a value goes that is stored now.
    pub store: StoreKind,
    /// How it is.
    pub state: VaultState,
    /// Canned text; absent when the keychain is in use and well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// What the keychain last was to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// It answers.
    Up,
    /// It said that it is locked.
    Locked,
    /// It did not answer in time.
    Silent,
    /// There is none.
    Absent,
    /// The options said not to use one.
    Off,
}

/// Where the key of a file lay that was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aside {
    /// In a keychain.
    KeychainHeld,
    /// In a file beside it, or nobody knows.
    FileHeld,
}

/// What the status is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub link: Link,
    /// The key of the sealed file in use lies in the keychain.
    pub keychain_held: bool,
    /// A sealed file that no key here opens was put aside by this process.
    pub set_aside: Option<Aside>,
    /// Parts of the sealed file were unreadable.
    pub damaged: bool,
}

const REPLACED: &str = "The keychain was replaced, or this data came from another computer. \
     Enter the listed secrets again.";
const KEY_GONE: &str = "The key of the secrets file is missing, or this data came from another computer. \
     Enter the listed secrets again.";
const DAMAGED: &str = "The secrets file was damaged; what could be read was kept and a copy lies beside it. \
     Enter the listed secrets again.";
const LOCKED: &str = "The keychain is locked. Unlock it and try again; until then secrets go to an \
     encrypted file in the data folder.";
const SILENT: &str = "The keychain does not answer; your system may be showing a prompt. Answer it and try \
     again; until then secrets go to an encrypted file in the data folder.";
const GONE: &str = "The keychain that holds your secrets is not available. Start it and try again, or enter \
     the listed secrets again; they then go to an encrypted file in the data folder.";
const ABSENT: &str = "This computer offers no keychain; secrets are kept in an encrypted file in the data folder.";
const OFF: &str = "The keychain is switched off; secrets are kept in an encrypted file in the data folder.";

impl Condition {
    /// What was stored before may lie behind a keychain that is out of reach.
    pub fn needs_keychain(self) -> bool {
        self.keychain_held || self.set_aside == Some(Aside::KeychainHeld)
    }

    pub fn status(self) -> VaultStatus {
        let store = if self.link == Link::Up { StoreKind::Keychain } else { StoreKind::Sealed };
        let lost = match (self.set_aside, self.damaged) {
            (Some(Aside::KeychainHeld), _) => Some(REPLACED),
            (Some(Aside::FileHeld), _) => Some(KEY_GONE),
            (None, true) => Some(DAMAGED),
            (None, false) => None,
        };
        let (state, reason) = match (self.link, lost) {
            (Link::Locked, _) => (VaultState::Locked, Some(LOCKED)),
            (Link::Silent, _) => (VaultState::Locked, Some(SILENT)),
            (Link::Absent | Link::Off, _) if self.needs_keychain() => (VaultState::Unavailable, Some(GONE)),
            (_, Some(lost)) => (VaultState::Replaced, Some(lost)),
            (Link::Up, None) => (VaultState::Ready, None),
            (Link::Absent, None) => (VaultState::Ready, Some(ABSENT)),
            (Link::Off, None) => (VaultState::Ready, Some(OFF)),
        };
        VaultStatus { store, state, reason }
    }
}
