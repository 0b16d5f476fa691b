//! The vault's files in the data directory: private, replaced in one step, owned by one process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::VaultError;

/// The sealed values.
pub(crate) const SEALED: &str = "secrets.sealed";
/// The key of the sealed values where neither keychain nor passphrase holds it.
pub(crate) const KEY: &str = "sealed.key";
const LOCK: &str = "secrets.lock";

/// How often a lock that another holds is tried, 20 ms apart: a process that is just ending, or one
/// that was just being forked, lets go within that.
const LOCK_TRIES: u32 = 25;

/// The data directory, owned until dropped.
pub(crate) struct Folder {
    dir: PathBuf,
}

/// Held while this process owns the vault's files.
pub(crate) struct Owner(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Folder {
    /// Makes the directory if it misses, and takes it for this process.
    pub fn own(dir: PathBuf) -> Result<(Self, Owner), VaultError> {
        fs::create_dir_all(&dir)?;
        let lock = private().create(true).truncate(false).open(dir.join(LOCK))?;
        for attempt in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => return Err(VaultError::InUse),
                // Some network file systems have no locks; the database's own guard must do there.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(kind = ?error.kind(), "the data folder's file system has no locks");
                    break;
                }
            }
        }
        Ok((Self { dir }, Owner(lock)))
    }

    /// The file's bytes, made private on the way; `None` when there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
        let path = self.dir.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                make_private(&path)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the file in one step: after a crash it is the old one or the new one, whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        let fresh = self.dir.join(format!("{name}.new"));
        // One that a crash left behind; only the owner of the folder comes here.
        remove(&fresh)?;
        let mut file = private().create_new(true).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&fresh, self.dir.join(name))?;
        self.sync()
    }

    /// Removes the file if it is there.
    pub fn remove(&self, name: &str) -> Result<(), VaultError> {
        remove(&self.dir.join(name))?;
        self.sync()
    }

    /// Moves `secrets.sealed` out of the way, to the next free `secrets.sealed.lost-<n>`.
    pub fn set_aside(&self) -> Result<String, VaultError> {
        let name = self.free("lost")?;
        fs::rename(self.dir.join(SEALED), self.dir.join(&name))?;
        self.sync()?;
        Ok(name)
    }

    /// Keeps a copy of a damaged file, as `secrets.sealed.damaged-<n>`.
    pub fn keep_copy(&self, bytes: &[u8]) -> Result<(), VaultError> {
        self.write(&self.free("damaged")?, bytes)
    }

    /// The files that were set aside, oldest first.
    pub fn lost(&self) -> Result<Vec<String>, VaultError> {
        let mut found = self.numbered("lost")?;
        found.sort_unstable();
        Ok(found.into_iter().map(|n| format!("{SEALED}.lost-{n}")).collect())
    }

    fn free(&self, word: &str) -> Result<String, VaultError> {
        let last = self.numbered(word)?.into_iter().max().unwrap_or(0);
        Ok(format!("{SEALED}.{word}-{}", last + 1))
    }

    fn numbered(&self, word: &str) -> Result<Vec<u32>, VaultError> {
        let prefix = format!("{SEALED}.{word}-");
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
        Ok(numbers)
    }

    /// Makes a rename or removal last through a power cut.
    fn sync(&self) -> Result<(), VaultError> {
        if cfg!(unix) {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens for writing with mode 0600 from the first moment. On Windows the profile's folder keeps
/// others out.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!("a secrets file was readable for others; it is private again");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}
