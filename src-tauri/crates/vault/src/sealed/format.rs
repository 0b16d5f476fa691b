//! The text of `secrets.sealed`: a header, one line for each value, and a seal over all of it.
//!
//! ```text
//! {"format":1,"key_id":"5f0c…","key":{"held":"keychain"}}
//! {"name":"machine/inbound/0b0e…","version":7,"nonce":"…","sealed":"…"}
//! {"nonce":"…","seal":"…"}
//! ```
//!
//! Each value is bound to its name and version, so a line that was moved, renamed or changed does not
//! open; the seal covers every byte before it, so a line that is missing shows too. Of a damaged file
//! the lines that still open are good.

use serde::{Deserialize, Serialize};

use super::{
    key::{Cipher, MasterKey},
    wrap::Wrap,
};
use crate::{Secret, VaultError};

const FORMAT: u32 = 1;
const SEAL: &[u8] = b"molecule sealed file";

/// Where the key of a sealed file lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "lowercase")]
pub(crate) enum Held {
    /// In one keychain entry.
    Keychain,
    /// In `sealed.key` beside it.
    File,
    /// In the header itself, closed with a passphrase.
    Passphrase(Wrap),
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    format: u32,
    key_id: String,
    pub key: Held,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    version: u64,
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    nonce: String,
    seal: String,
}

/// A value with the number of the change that wrote it; later changes have higher numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub name: String,
    pub version: u64,
    pub value: Secret,
}

/// A file that was read but not opened.
pub(crate) struct Parsed {
    pub header: Option<Header>,
    lines: Vec<Line>,
    /// Every line that is not the header or the seal could be read.
    tidy: bool,
    seal: Option<Seal>,
    /// The bytes that the seal covers.
    covered: Vec<u8>,
}

/// A file that was opened.
pub(crate) struct Opened {
    pub values: Vec<Value>,
    /// Nothing is missing and nothing was changed.
    pub whole: bool,
}

/// Reads the lines of a file; only a later format is an error, damage shows when it is opened.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, VaultError> {
    #[derive(Deserialize)]
    struct Any {
        format: u32,
    }
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    if let Some(Ok(any)) = lines.first().map(|line| serde_json::from_slice::<Any>(line))
        && any.format > FORMAT
    {
        return Err(VaultError::TooNew);
    }
    let header = lines.first().and_then(|line| serde_json::from_slice(line).ok());
    let seal = lines.last().and_then(|line| canonical::<Seal>(line));
    if seal.is_some() {
        lines.pop();
    }
    let covered = lines.concat();
    let body = lines.get(1..).unwrap_or_default();
    let read: Vec<Line> = body.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok(Parsed { header, tidy: read.len() == body.len(), lines: read, seal, covered })
}

/// The value of a line, if it is spelled exactly as we spell it.
fn canonical<T: Serialize + for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    let value = serde_json::from_slice(line).ok()?;
    (text(&value).ok()?.as_bytes() == line).then_some(value)
}

impl Parsed {
    /// Whether `key` is the one that this file was written with.
    pub fn fits(&self, key: &MasterKey) -> Result<bool, VaultError> {
        let id = key.id()?;
        if self.header.as_ref().is_some_and(|header| header.key_id == id) {
            return Ok(true);
        }
        // The header may be what was damaged.
        let opened = self.open(key)?;
        Ok(opened.whole || !opened.values.is_empty())
    }

    /// Opens every line that `key` opens.
    pub fn open(&self, key: &MasterKey) -> Result<Opened, VaultError> {
        let cipher = key.cipher()?;
        let sealed = self.seal.as_ref().is_some_and(|seal| {
            cipher.open(&seal.nonce, &seal.seal, &[SEAL, self.covered.as_slice()].concat()).is_some()
        });
        let values: Vec<Value> = self.lines.iter().filter_map(|line| line.open(&cipher)).collect();
        let whole = sealed && self.tidy && self.header.is_some() && values.len() == self.lines.len();
        Ok(Opened { values, whole })
    }
}

impl Line {
    fn open(&self, cipher: &Cipher) -> Option<Value> {
        let plain = cipher.open(&self.nonce, &self.sealed, &about(&self.name, self.version))?;
        let value = Secret::from(std::str::from_utf8(&plain).ok()?);
        Some(Value { name: self.name.clone(), version: self.version, value })
    }
}

/// What a value is bound to: its name and its version.
fn about(name: &str, version: u64) -> Vec<u8> {
    [b"molecule sealed value".as_slice(), &version.to_le_bytes(), name.as_bytes()].concat()
}

/// The line of one value.
pub(crate) fn line(cipher: &Cipher, value: &Value) -> Result<String, VaultError> {
    let about = about(&value.name, value.version);
    let (nonce, sealed) = cipher.seal(value.value.expose().as_bytes(), &about)?;
    text(&Line { name: value.name.clone(), version: value.version, nonce, sealed })
}

/// The whole file of `lines`.
pub(crate) fn file<'a>(
    key: &MasterKey,
    held: &Held,
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<u8>, VaultError> {
    let mut bytes = text(&Header { format: FORMAT, key_id: key.id()?, key: held.clone() })?.into_bytes();
    lines.for_each(|line| bytes.extend_from_slice(line.as_bytes()));
    let (nonce, seal) = key.cipher()?.seal(b"", &[SEAL, bytes.as_slice()].concat())?;
    bytes.extend_from_slice(text(&Seal { nonce, seal })?.as_bytes());
    Ok(bytes)
}

fn text<T: Serialize>(value: &T) -> Result<String, VaultError> {
    serde_json::to_string(value).map(|line| line + "\n").map_err(|_| VaultError::Crypto)
}
