//! One owner per data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::Path,
    time::Duration,
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

/// Who the owner says it is. It takes the lock before it writes its name, so the name may be a moment late.
fn named(file: &mut File) -> Option<String> {
    for pause in [0, 5, 20, 75, 200] {
        std::thread::sleep(Duration::from_millis(pause));
        let mut owner = String::new();
        if file.rewind().and_then(|()| file.read_to_string(&mut owner)).is_ok() && !owner.trim().is_empty() {
            return Some(owner.trim().to_owned());
        }
    }
    None
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
                return Err(OwnerError::Taken { owner: named(&mut file).unwrap_or_else(|| "unknown".to_owned()) });
            }
        }
        // A name of an owner before is gone before ours stands there: whoever looks in between looks again.
        file.set_len(0).and_then(|()| file.rewind()).map_err(OwnerError::Io)?;
        write!(file, "{}", std::process::id()).map_err(OwnerError::Io)?;
        Ok(Self { _file: file })
    }
}
