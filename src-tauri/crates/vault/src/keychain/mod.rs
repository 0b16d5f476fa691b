//! The keychain of the operating system, behind a trait so that tests can lock and replace it.

#[cfg(any(test, feature = "memory-keychain"))]
pub mod memory;
pub(crate) mod system;
pub(crate) mod worker;

use crate::Secret;

/// The service under which every entry of ours lies (ARCHITECTURE §3).
pub const SERVICE: &str = "molecule-desktop";

/// What a keychain answers instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeychainError {
    /// There is none, or it went away.
    #[error("no keychain answers")]
    Absent,
    /// It is locked, or the person dismissed its prompt.
    #[error("the keychain is locked")]
    Locked,
    /// It did not answer before the deadline.
    #[error("the keychain did not answer in time")]
    Unanswered,
    /// It answers, but not to this request.
    #[error("the keychain refused the request")]
    Refused,
}

impl KeychainError {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Locked => "locked",
            Self::Unanswered => "unanswered",
            Self::Refused => "refused",
        }
    }
}

/// A keychain. Calls may block for ever (a prompt that nobody answers), so they are made on one
/// thread of their own, never from an async function.
pub trait Keychain: Send + Sync + 'static {
    /// Finds the keychain anew: at start, and when a person asks to try again.
    fn connect(&self) -> Result<(), KeychainError>;

    /// The entry's value. `None` proves only that none is in reach: a locked keychain may say so too.
    fn get(&self, account: &str) -> Result<Option<Secret>, KeychainError>;

    /// Creates or replaces the entry.
    fn set(&self, account: &str, value: &Secret) -> Result<(), KeychainError>;

    /// Removes the entry; one that is not there is no error.
    fn delete(&self, account: &str) -> Result<(), KeychainError>;

    /// The longest value in bytes that an entry takes; longer ones go to the sealed file.
    fn max_value_bytes(&self) -> usize;
}
