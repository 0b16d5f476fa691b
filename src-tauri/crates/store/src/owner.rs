//! One owner per data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
};

/// Held for as long as this process owns the data directory; the lock goes with the process.
#[derive(Debug)]
pub struct Owner {
    _file: File,
}

/// The directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// Another process owns it; what it said about itself (its process id) is in `owner`.
    #[error("another Molecule (process {owner}) uses this data directory")]
    Taken {
        /// Its process id, or `unknown`.
        owner: String,
    },
    /// The lock file could not be made.
    #[error("the data directory is not writable")]
    Io(#[source] io::Error),
}

impl Owner {
    /// Takes `<dir>/owner.lock`, or says who has it.
    ///
    /// # Errors
    /// [`OwnerError::Taken`] where another process holds it.
    pub fn take(dir: &Path) -> Result<Self, OwnerError> {
        let path = dir.join("owner.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(OwnerError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(OwnerError::Io(error)),
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                drop(file.read_to_string(&mut owner));
                let owner = owner.trim();
                let owner = if owner.is_empty() { "unknown" } else { owner };
                return Err(OwnerError::Taken { owner: owner.to_owned() });
            }
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(OwnerError::Io)?;
        write!(file, "{}", std::process::id()).map_err(OwnerError::Io)?;
        Ok(Self { _file: file })
    }
}
