//! The keyed check value that SQLite keeps beside a secret's name.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Secret, VaultError};

/// The key of check values, derived from the key of the sealed file so that it is lost only with it.
#[derive(Clone)]
pub struct CheckKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl CheckKey {
    pub(crate) fn new(id: String, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { id, bytes }
    }

    pub(crate) fn parse(id: &str, text: &Secret) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.expose()).ok()?);
        let bytes = <[u8; 32]>::try_from(bytes.as_slice()).ok()?;
        Some(Self::new(id.to_owned(), Zeroizing::new(bytes)))
    }

    pub(crate) fn to_text(&self) -> Secret {
        Secret::from(STANDARD.encode(self.bytes.as_slice()))
    }
}

impl std::fmt::Debug for CheckKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckKey({})", self.id)
    }
}

/// `<key id>.<first 16 bytes of HMAC-SHA-256 over account and value>` in hexadecimal. Without the key
/// it tells nothing of the value, not even to somebody who can guess it; bound to the account, it
/// does not show that two secrets are alike either.
pub fn check_value(key: &CheckKey, account: &str, value: &Secret) -> Result<String, VaultError> {
    let mac = mac(&*key.bytes, &[b"check", account.as_bytes(), value.expose().as_bytes()])?;
    Ok(format!("{}.{}", key.id, hex(&mac[..16])))
}

/// The id of the key that made `check`.
pub(crate) fn key_id(check: &str) -> Option<&str> {
    check.split_once('.').map(|(id, _)| id)
}

/// Whether `value` is the one that `check` was made of, in constant time.
pub(crate) fn holds(key: &CheckKey, account: &str, value: &Secret, check: &str) -> bool {
    check_value(key, account, value).is_ok_and(|own| own.as_bytes().ct_eq(check.as_bytes()).into())
}

/// HMAC-SHA-256 over the parts, each with its length, so that no two lists of parts look alike.
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], VaultError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| VaultError::Crypto)?;
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{check_value, holds, key_id};
    use crate::{Secret, sealed::key::MasterKey};

    #[test]
    fn a_check_belongs_to_key_account_and_value() {
        let (one, two) = (MasterKey::random().unwrap(), MasterKey::random().unwrap());
        let (one, two) = (one.check_key().unwrap(), two.check_key().unwrap());
        let value = Secret::from("sk-123");
        let check = check_value(&one, "global/A", &value).unwrap();
        assert_eq!(key_id(&check), Some(one.id.as_str()));
        assert!(holds(&one, "global/A", &value, &check));
        assert!(!holds(&one, "global/B", &value, &check));
        assert!(!holds(&one, "global/A", &Secret::from("sk-124"), &check));
        assert!(!holds(&two, "global/A", &value, &check));
        assert!(!check.contains("sk-123"));
        // The border between account and value counts.
        assert_ne!(
            check_value(&one, "global/A", &Secret::from("B")).unwrap(),
            check_value(&one, "global/AB", &Secret::from("")).unwrap()
        );
    }
}
