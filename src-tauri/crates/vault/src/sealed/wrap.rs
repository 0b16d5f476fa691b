//! The key of the sealed file closed with a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{Cipher, MasterKey, fill};
use crate::{Secret, VaultError};

const SALT_BYTES: usize = 16;
const ABOUT: &[u8] = b"molecule sealed key, wrapped";

/// What Argon2id may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// 64 MiB, three passes, one lane: about an eighth of a second (FACTS §4).
    pub const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// What a file may ask of us; a changed file must not eat the machine.
    fn is_sane(self) -> bool {
        self.memory_kib <= 256 * 1024 && self.passes <= 16 && self.lanes <= 4
    }
}

/// A wrapped key as it lies in the header of the sealed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wrap {
    #[serde(flatten)]
    cost: Cost,
    salt: String,
    nonce: String,
    wrapped: String,
}

impl Wrap {
    pub fn close(key: &MasterKey, passphrase: &Secret, cost: Cost) -> Result<Self, VaultError> {
        let mut salt = [0; SALT_BYTES];
        fill(&mut salt)?;
        let cipher = cipher(passphrase, &salt, cost).ok_or(VaultError::Crypto)?;
        let (nonce, wrapped) = cipher.seal(key.bytes(), ABOUT)?;
        Ok(Self { cost, salt: STANDARD.encode(salt), nonce, wrapped })
    }

    pub fn open(&self, passphrase: &Secret) -> Option<MasterKey> {
        let salt = STANDARD.decode(&self.salt).ok().filter(|_| self.cost.is_sane())?;
        let cipher = cipher(passphrase, &salt, self.cost)?;
        MasterKey::from_bytes(&cipher.open(&self.nonce, &self.wrapped, ABOUT)?)
    }
}

fn cipher(passphrase: &Secret, salt: &[u8], cost: Cost) -> Option<Cipher> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut *key)
        .ok()?;
    Cipher::new(&key).ok()
}

#[cfg(test)]
mod tests {
    use super::{Cost, Wrap};
    use crate::{Secret, sealed::key::MasterKey};

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn the_cost_is_the_one_that_was_decided() {
        assert_eq!(Cost::DEFAULT, Cost { memory_kib: 65_536, passes: 3, lanes: 1 });
        assert!(Cost::DEFAULT.is_sane());
    }

    #[test]
    fn only_the_passphrase_opens() {
        let key = MasterKey::random().unwrap();
        let wrap = Wrap::close(&key, &Secret::from("horse"), CHEAP).unwrap();
        assert!(wrap.open(&Secret::from("horse")) == Some(key.clone()));
        assert!(wrap.open(&Secret::from("house")).is_none());
        let again = Wrap::close(&key, &Secret::from("horse"), CHEAP).unwrap();
        assert_ne!((again.salt, again.wrapped), (wrap.salt, wrap.wrapped));
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        let key = MasterKey::random().unwrap();
        let mut wrap = Wrap::close(&key, &Secret::from("horse"), CHEAP).unwrap();
        assert!(wrap.open(&Secret::from("horse")).is_some());
        wrap.cost.memory_kib = u32::MAX;
        assert!(wrap.open(&Secret::from("horse")).is_none());
    }
}
