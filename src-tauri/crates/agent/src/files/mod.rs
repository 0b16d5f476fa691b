//! The folder that an agent may use, and nothing beside it.
//!
//! Every access goes through a handle of the folder (`cap-std`), never through a path of the system:
//! each component is resolved beneath that handle by the kernel, so `..`, absolute paths and symbolic
//! links lead nowhere outside, also when a link appears between the check and the use. Links that stay
//! inside work. Within the folder, Molecule's own data stays closed too.

mod change;
mod refusal;
mod search;
#[cfg(test)]
mod tests;
mod uploads;

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};

pub(crate) use change::Change;
pub(crate) use refusal::Refused;
pub(crate) use search::Query;
pub(crate) use uploads::{Stored, Uploads};

/// The name under which agents know their folder (40 §2).
const VIRTUAL_ROOT: &str = "/workspace";

/// A folder, open.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Where it lies, canonical. For commands and for walking only; never for opening.
    root: PathBuf,
    dir: Dir,
    /// Relative, canonical: what is closed although it lies inside.
    closed: Vec<PathBuf>,
    /// Names that begin with a dot are not there at all.
    hides_dotfiles: bool,
}

impl Folder {
    /// Opens the person's folder. `own_data` is closed wherever it lies inside; the folder itself may
    /// lie inside `own_data`.
    pub(crate) fn open(path: &Path, own_data: Option<&Path>) -> std::io::Result<Self> {
        let root = path.canonicalize()?;
        let closed = own_data
            .and_then(|data| data.canonicalize().ok())
            .and_then(|data| data.strip_prefix(&root).ok().map(Path::to_owned));
        Ok(Self {
            dir: Dir::open_ambient_dir(&root, ambient_authority())?,
            root,
            closed: closed.into_iter().collect(),
            hides_dotfiles: false,
        })
    }

    /// Opens the config folder, in which credentials (`.auth_token` and the like) are out of reach.
    pub(crate) fn open_config(path: &Path) -> std::io::Result<Self> {
        Ok(Self { hides_dotfiles: true, ..Self::open(path, None)? })
    }

    /// Where the folder lies, for what must name it to the system.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether Molecule's own data lies inside.
    pub(crate) fn holds_own_data(&self) -> bool {
        !self.closed.is_empty()
    }

    /// The folder's handle.
    pub(crate) fn handle(&self) -> &Dir {
        &self.dir
    }

    /// The path of `given` from the folder's root, links resolved as far as it exists.
    ///
    /// Accepts relative paths, `/workspace/…` and absolute paths that lie in the folder.
    pub(crate) fn resolve(&self, given: &str) -> Result<PathBuf, Refused> {
        let relative = self.relative(given)?;
        let mut existing = relative.clone();
        let mut missing = Vec::new();
        let canonical = loop {
            if existing.as_os_str().is_empty() {
                break PathBuf::new();
            }
            match self.dir.canonicalize(&existing) {
                Ok(canonical) => break canonical,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    // A dangling link must not be written through.
                    if self.dir.symlink_metadata(&existing).is_ok_and(|found| found.is_symlink()) {
                        return Err(Refused::Outside(given.to_owned()));
                    }
                    match existing.components().next_back() {
                        Some(Component::Normal(name)) => missing.push(name.to_owned()),
                        _ => return Err(Refused::Missing(given.to_owned())),
                    }
                    existing.pop();
                }
                Err(error) => return Err(Refused::from_io(given, &error)),
            }
        };
        let resolved = missing.into_iter().rev().fold(canonical, |path, name| path.join(name));
        if self.is_closed(&resolved) { Err(Refused::Missing(given.to_owned())) } else { Ok(resolved) }
    }

    fn relative(&self, given: &str) -> Result<PathBuf, Refused> {
        if given.contains('\0') {
            return Err(Refused::Missing("(a name with a zero byte)".into()));
        }
        let path = given.trim();
        // As messages name files (40 §10.2).
        let path = Path::new(path.strip_prefix("workspace:").or_else(|| path.strip_prefix("file://")).unwrap_or(path));
        let path = path.strip_prefix(VIRTUAL_ROOT).or_else(|_| path.strip_prefix(&self.root)).unwrap_or(path);
        if path.components().any(|part| matches!(part, Component::RootDir | Component::Prefix(_))) {
            return Err(Refused::Outside(given.to_owned()));
        }
        Ok(path.components().filter(|part| !matches!(part, Component::CurDir)).collect())
    }

    /// Whether a path, relative and canonical, is out of reach.
    fn is_closed(&self, path: &Path) -> bool {
        self.closed.iter().any(|closed| path.starts_with(closed))
            || (self.hides_dotfiles
                && path.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".")))
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_file(&self, given: &str) -> Result<(File, PathBuf), Refused> {
        let path = self.resolve(given)?;
        let file = self.dir.open_with(&path, &reading()).map_err(|error| Refused::from_io(given, &error))?;
        let found = file.metadata().map_err(|error| Refused::from_io(given, &error))?;
        if found.is_dir() {
            return Err(Refused::IsFolder(given.to_owned()));
        }
        if !found.is_file() {
            return Err(Refused::NotAFile(given.to_owned()));
        }
        Ok((file, path))
    }

    /// The bytes of a file of at most `limit` bytes.
    pub(crate) fn read(&self, given: &str, limit: u64) -> Result<Vec<u8>, Refused> {
        let (file, _) = self.open_file(given)?;
        read_up_to(file, given, limit)
    }

    /// The text of a file of at most `limit` bytes.
    pub(crate) fn read_text(&self, given: &str, limit: u64) -> Result<String, Refused> {
        String::from_utf8(self.read(given, limit)?).map_err(|_| Refused::NotText(given.to_owned()))
    }
}

/// Never waits for the other end of a pipe.
fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        options.custom_flags(i32::try_from(flags).unwrap_or_default());
    }
    options
}

fn read_up_to(file: File, given: &str, limit: u64) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Refused::from_io(given, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Refused::TooLarge { path: given.to_owned(), limit });
    }
    Ok(bytes)
}
