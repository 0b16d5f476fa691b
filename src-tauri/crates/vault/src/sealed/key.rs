//! The random key of the sealed file, and what is derived from it.

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use super::check::{self, CheckKey};
use crate::{Secret, VaultError};

const NONCE_BYTES: usize = 24;

/// 32 random bytes. It is never used itself, only through keys derived for one purpose each.
#[derive(Clone)]
pub(crate) struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    pub fn random() -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// As it lies in the keychain or in `sealed.key`: base64, because some keychains take only text.
    pub fn parse(text: &Secret) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.expose().trim()).ok()?);
        Self::from_bytes(&bytes)
    }

    pub fn to_text(&self) -> Secret {
        Secret::from(STANDARD.encode(self.0.as_slice()))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Names the key without telling anything of it.
    pub fn id(&self) -> Result<String, VaultError> {
        Ok(check::hex(&self.derive(b"id")?[..8]))
    }

    pub fn check_key(&self) -> Result<CheckKey, VaultError> {
        Ok(CheckKey::new(self.id()?, self.derive(b"check")?))
    }

    pub fn cipher(&self) -> Result<Cipher, VaultError> {
        Cipher::new(&*self.derive(b"seal")?)
    }

    fn derive(&self, purpose: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        check::mac(self.0.as_slice(), &[b"molecule sealed", purpose]).map(Zeroizing::new)
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.bytes(), other.bytes()).into()
    }
}

/// XChaCha20-Poly1305 with random nonces, in base64.
pub(crate) struct Cipher(XChaCha20Poly1305);

impl Cipher {
    pub fn new(key: &[u8; 32]) -> Result<Self, VaultError> {
        XChaCha20Poly1305::new_from_slice(key).map(Self).map_err(|_| VaultError::Crypto)
    }

    /// Nonce and cipher text of `plain`, bound to `about`.
    pub fn seal(&self, plain: &[u8], about: &[u8]) -> Result<(String, String), VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let payload = Payload { msg: plain, aad: about };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Crypto)?;
        Ok((STANDARD.encode(nonce), STANDARD.encode(sealed)))
    }

    /// The plain bytes, if nothing of nonce, cipher text and `about` was changed.
    pub fn open(&self, nonce: &str, sealed: &str, about: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce = <[u8; NONCE_BYTES]>::try_from(STANDARD.decode(nonce).ok()?).ok()?;
        let sealed = STANDARD.decode(sealed).ok()?;
        let payload = Payload { msg: &sealed, aad: about };
        self.0.decrypt(&XNonce::from(nonce), payload).ok().map(Zeroizing::new)
    }
}

/// Random bytes of the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|_| VaultError::Crypto)
}
