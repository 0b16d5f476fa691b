//! What can go wrong, in words for the person who can act.

use std::io;

use serde::Serialize;

/// Why a stored value cannot be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// The keychain is locked; unlock it and try again.
    #[error("the keychain is locked; unlock it and try again, or enter the value again")]
    Locked,
    /// The keychain did not answer in time; often it shows a prompt that nobody has answered.
    #[error("the keychain does not answer; look for a prompt of your system, or enter the value again")]
    Unanswered,
    /// There is no keychain here that could hold it.
    #[error("the keychain that holds the value is not available; start it, or enter the value again")]
    Unavailable,
    /// The store answers, but has no such entry.
    #[error("the value is no longer where it was stored; enter it again")]
    Missing,
    /// An entry is there, but it is not the value that was stored here.
    #[error("the stored value was replaced from outside; enter it again")]
    Changed,
    /// The keychain refuses to hand this entry out.
    #[error("the keychain cannot read this entry; enter the value again")]
    Unreadable,
}

impl LostReason {
    /// Whether unlocking or starting the keychain may bring the value back.
    #[must_use]
    pub fn may_come_back(self) -> bool {
        matches!(self, Self::Locked | Self::Unanswered | Self::Unavailable)
    }
}

/// Errors of the vault. The texts are canned: no path, no value, no text of the system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A value that the marker speaks of cannot be had: the decrypt failure of 20 §7.9.
    #[error("{0}")]
    Lost(LostReason),
    /// `secrets.sealed` has a format that this version does not know. It was left untouched.
    #[error("the secrets file was written by a newer version of Molecule; update this one")]
    TooNew,
    /// `secrets.sealed` is closed with a passphrase, and none was given.
    #[error("the secrets file is closed with a passphrase; start with that passphrase")]
    PassphraseNeeded,
    /// The passphrase does not open `secrets.sealed`.
    #[error("the passphrase does not open the secrets file")]
    WrongPassphrase,
    /// Another process has this data directory's vault open.
    #[error("another Molecule is using the secrets of this data folder; stop it first")]
    InUse,
    /// The data directory could not be read or written.
    #[error("the secrets file could not be read or written; check the data folder and its free space")]
    Io(io::ErrorKind),
    /// The system gave no random bytes or a cipher refused; nothing was stored.
    #[error("the system could not make a key")]
    Crypto,
    /// The vault was closed.
    #[error("Molecule is stopping")]
    Closed,
}

impl VaultError {
    /// A stable code beside the text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lost(_) => "secret_lost",
            Self::TooNew => "secrets_too_new",
            Self::PassphraseNeeded => "passphrase_needed",
            Self::WrongPassphrase => "passphrase_wrong",
            Self::InUse => "secrets_in_use",
            Self::Io(_) => "secrets_io",
            Self::Crypto => "secrets_crypto",
            Self::Closed => "stopping",
        }
    }
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}
