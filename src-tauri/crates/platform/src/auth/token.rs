//! Making and hashing credentials (10 §2.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use molecule_store::tokens::{Hash, NewToken};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A credential that was just made: its text is shown once and never stored.
pub struct Fresh {
    id: String,
    text: SecretString,
    hash: Hash,
    prefix: String,
}

/// What the base URL of a request carried: no pages and no tickets lie below it.
#[derive(Clone)]
pub struct Capability(SecretString);

impl Capability {
    /// As it was shown.
    #[must_use]
    pub fn new(shown: &str) -> Self {
        Self(shown.to_owned().into())
    }

    /// Its text, for what is told to its holder alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// 32 random bytes, base64url without padding: 43 characters.
#[must_use]
pub fn fresh() -> Fresh {
    let mut bytes = [0_u8; 32];
    // The system's generator does not fail on the systems we run on; a zero token must never pass for random.
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the system has no random numbers");
        std::process::abort();
    }
    let text = URL_SAFE_NO_PAD.encode(bytes);
    Fresh { id: molecule_model::id::fresh(), hash: hash(&text), prefix: text[..8].to_owned(), text: text.into() }
}

/// SHA-256 of the text.
#[must_use]
pub fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

impl Fresh {
    /// The row's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The first eight characters.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The text, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The text as a secret.
    #[must_use]
    pub fn secret(&self) -> SecretString {
        self.text.clone()
    }

    /// What is stored of it.
    #[must_use]
    pub fn row(&self, url: bool) -> NewToken {
        NewToken { id: self.id.clone(), hash: self.hash, prefix: self.prefix.clone(), url }
    }
}
