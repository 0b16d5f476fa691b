//! Which key opens the sealed file at start, and what becomes of a file that no key here opens.
//!
//! Such a file is never deleted: it is put aside as `secrets.sealed.lost-<n>`, a new one takes its
//! place, and when its key turns up again (the keychain was only locked) its values come back.

use super::{
    book::Book,
    folder::{Folder, KEY, SEALED},
    format::{self, Held, Parsed, Value},
    key::MasterKey,
    wrap::{Cost, Wrap},
};
use crate::{Secret, VaultError, status::Aside};

/// What lies in the data directory, read before the keychain is asked.
pub(crate) struct Local {
    file: Option<(Vec<u8>, Parsed)>,
    /// The key that opens the file without a keychain.
    pub key: Option<MasterKey>,
}

/// A sealed file that was put aside.
#[derive(Clone, Debug)]
pub(crate) struct SetAside {
    /// Its file name.
    pub name: String,
    /// Where its key lies.
    pub held: Aside,
}

/// With what the vault starts.
pub(crate) struct Start {
    pub key: MasterKey,
    pub held: Held,
    pub values: Vec<Value>,
    /// The file on disk is exactly this.
    pub clean: bool,
    pub set_aside: Option<SetAside>,
    pub damaged: bool,
    /// The file was opened with this key and goes on under another.
    pub retired: Option<MasterKey>,
}

/// The passphrase, if the person gave one, and what a wrap with it may cost.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub phrase: Option<&'a Secret>,
    pub cost: Cost,
}

impl Local {
    pub fn read(folder: &Folder, pass: Pass<'_>) -> Result<Self, VaultError> {
        let Some(bytes) = folder.read(SEALED)? else {
            return Ok(Self { file: None, key: None });
        };
        let parsed = format::parse(&bytes)?;
        let key = match parsed.header.as_ref().map(|header| &header.key) {
            Some(Held::Passphrase(wrap)) => {
                let phrase = pass.phrase.ok_or(VaultError::PassphraseNeeded)?;
                Some(wrap.open(phrase).ok_or(VaultError::WrongPassphrase)?)
            }
            _ => match key_file(folder)? {
                Some(key) if parsed.fits(&key)? => Some(key),
                _ => None,
            },
        };
        Ok(Self { file: Some((bytes, parsed)), key })
    }

    fn held(&self) -> Option<&Held> {
        self.file.as_ref()?.1.header.as_ref().map(|header| &header.key)
    }
}

/// Decides with what to start; `from_keychain` is the keychain's key if the keychain answered.
pub(crate) fn decide(
    folder: &Folder,
    local: &Local,
    from_keychain: Option<MasterKey>,
    pass: Pass<'_>,
) -> Result<Start, VaultError> {
    let opener = match &local.file {
        None => None,
        Some((_, parsed)) => {
            let mut candidates = from_keychain.iter().chain(&local.key);
            candidates.try_fold(None, |found: Option<&MasterKey>, key| match found {
                None if parsed.fits(key)? => Ok::<_, VaultError>(Some(key)),
                found => Ok(found),
            })?
        }
    };
    let (key, held) = match (&from_keychain, &local.key) {
        (Some(key), _) => (key.clone(), Held::Keychain),
        (None, Some(key)) => (key.clone(), held_here(local, key, pass)?),
        (None, None) => fresh(folder, pass)?,
    };
    let mut start =
        Start { held, values: Vec::new(), clean: false, set_aside: None, damaged: false, retired: None, key };
    match (&local.file, opener) {
        (None, _) => {}
        (Some(_), None) => {
            let held = match local.held() {
                Some(Held::Keychain) => Aside::KeychainHeld,
                _ => Aside::FileHeld,
            };
            start.set_aside = Some(SetAside { name: folder.set_aside()?, held });
        }
        (Some((bytes, parsed)), Some(opener)) => {
            let opened = parsed.open(opener)?;
            start.values = opened.values;
            start.damaged = !opened.whole;
            if start.damaged {
                folder.keep_copy(bytes)?;
            }
            let same = *opener == start.key;
            start.clean = opened.whole && same && local.held() == Some(&start.held);
            start.retired = (!same).then(|| opener.clone());
        }
    }
    Ok(start)
}

/// Where a key that opens the file without a keychain is held from now on: a passphrase closes one
/// that lay open, and one that is closed already stays as it is.
fn held_here(local: &Local, key: &MasterKey, pass: Pass<'_>) -> Result<Held, VaultError> {
    match (local.held(), pass.phrase) {
        (Some(held @ Held::Passphrase(_)), _) => Ok(held.clone()),
        (_, Some(phrase)) => Wrap::close(key, phrase, pass.cost).map(Held::Passphrase),
        (_, None) => Ok(Held::File),
    }
}

/// A key for a new file where no keychain holds it.
fn fresh(folder: &Folder, pass: Pass<'_>) -> Result<(MasterKey, Held), VaultError> {
    if let Some(phrase) = pass.phrase {
        let key = MasterKey::random()?;
        let wrap = Wrap::close(&key, phrase, pass.cost)?;
        return Ok((key, Held::Passphrase(wrap)));
    }
    if let Some(key) = key_file(folder)? {
        return Ok((key, Held::File));
    }
    let key = MasterKey::random()?;
    folder.write(KEY, format!("{}\n", key.to_text().expose()).as_bytes())?;
    Ok((key, Held::File))
}

fn key_file(folder: &Folder) -> Result<Option<MasterKey>, VaultError> {
    let Some(bytes) = folder.read(KEY)? else {
        return Ok(None);
    };
    let bytes = zeroize::Zeroizing::new(bytes);
    Ok(std::str::from_utf8(&bytes).ok().and_then(|text| MasterKey::parse(&Secret::from(text))))
}

/// Takes the values of every file that was put aside and opens with the present key into the book.
/// Says which files those were; they may go once the book is on disk.
pub(crate) fn take_back(book: &Book) -> Result<Vec<String>, VaultError> {
    let key = book.key();
    let mut names = Vec::new();
    for name in book.folder().lost()? {
        let Some(bytes) = book.folder().read(&name)? else {
            continue;
        };
        // A file of a newer version waits for that version.
        let Ok(parsed) = format::parse(&bytes) else {
            continue;
        };
        if parsed.fits(&key)? {
            let values = book.adopt(parsed.open(&key)?.values);
            tracing::info!(store = "sealed", values, "values of an earlier secrets file came back");
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes what the book on disk no longer needs: files whose values it has, and `sealed.key` when
/// the key is held elsewhere. Call it after a flush.
pub(crate) fn tidy(book: &Book, taken: &[String]) -> Result<(), VaultError> {
    taken.iter().try_for_each(|name| book.folder().remove(name))?;
    if book.held() == Held::File { Ok(()) } else { book.folder().remove(KEY) }
}
