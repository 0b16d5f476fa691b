//! Files of the chat (10 §13, 40 §10.6): `/workspace/.molecule/chat-uploads`, in the folder where the agent
//! may write there, else beside its configuration, so that a folder given for reading stays as it is.

use std::io::{Read, Write};
use std::path::{Component, Path};

use cap_std::fs::{Dir, File, OpenOptions};
use molecule_model::chat_file::{self, FILE_LIMIT, FOLDER as VIRTUAL};

use super::{Folder, Refused, read_up_to, reading};

/// In the person's folder.
const IN_FOLDER: &str = ".molecule/chat-uploads";
/// In the config folder.
const IN_CONFIG: &str = ".chat-uploads";

/// Where chat files are kept.
#[derive(Debug)]
pub(crate) struct Uploads {
    dir: Dir,
}

/// A kept file, as messages speak of it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub uri: String,
    pub name: String,
    pub mime_type: Option<String>,
    /// Bytes.
    pub size: u64,
}

/// A file being taken in; gone again when dropped before it was kept.
pub(crate) struct Arriving<'a> {
    uploads: &'a Uploads,
    file: File,
    stored: String,
    name: String,
    size: u64,
    kept: bool,
}

impl Uploads {
    /// In the folder. Git is told to pass it over.
    pub(crate) fn in_folder(folder: &Folder) -> std::io::Result<Self> {
        folder.handle().create_dir_all(IN_FOLDER)?;
        let ignore = folder.handle().open_with(".molecule/.gitignore", OpenOptions::new().write(true).create_new(true));
        if let Ok(mut ignore) = ignore {
            ignore.write_all(b"*\n")?;
        }
        Ok(Self { dir: folder.handle().open_dir(IN_FOLDER)? })
    }

    /// Beside the configuration.
    pub(crate) fn in_config(config: &Folder) -> std::io::Result<Self> {
        config.handle().create_dir_all(IN_CONFIG)?;
        Ok(Self { dir: config.handle().open_dir(IN_CONFIG)? })
    }

    /// The name of a kept file that `path` means, in any spelling that messages use.
    pub(crate) fn named(path: &str) -> Option<&str> {
        let path = path.trim().trim_start_matches("workspace:").trim_start_matches("file://");
        let name = path.strip_prefix(VIRTUAL).or_else(|| path.strip_prefix(IN_FOLDER))?.strip_prefix('/')?;
        let mut parts = Path::new(name).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)).then_some(name)
    }

    /// Opens a kept file. A link is not followed out.
    pub(crate) fn open(&self, stored: &str) -> Result<File, Refused> {
        let refused = |error: std::io::Error| Refused::from_io(stored, &error);
        if self.dir.symlink_metadata(stored).map_err(refused)?.is_symlink() {
            return Err(Refused::Missing(stored.to_owned()));
        }
        let file = self.dir.open_with(stored, &reading()).map_err(refused)?;
        if file.metadata().map_err(refused)?.is_file() { Ok(file) } else { Err(Refused::NotAFile(stored.to_owned())) }
    }

    pub(crate) fn read_text(&self, stored: &str, limit: u64) -> Result<String, Refused> {
        let bytes = read_up_to(self.open(stored)?, stored, limit)?;
        String::from_utf8(bytes).map_err(|_| Refused::NotText(stored.to_owned()))
    }

    /// Begins to take a file in.
    pub(crate) fn begin(&self, name: &str) -> std::io::Result<Arriving<'_>> {
        let name = chat_file::safe_name(name);
        let stored = format!("{}-{name}", uuid::Uuid::new_v4().simple());
        let file = self.dir.open_with(&stored, OpenOptions::new().write(true).create_new(true))?;
        Ok(Arriving { uploads: self, file, stored, name, size: 0, kept: false })
    }

    /// Takes in a copy of a file of the folder, if it is one and not too long; a kept one is named again.
    pub(crate) fn copy_in(&self, folder: Option<&Folder>, path: &str) -> Option<Stored> {
        if let Some(stored) = Self::named(path) {
            let size = self.open(stored).ok()?.metadata().ok()?.len();
            let name = stored.get(33..).unwrap_or(stored);
            return Some(described(stored, name, size));
        }
        let (file, path) = folder?.open_file(path).ok()?;
        if file.metadata().ok()?.len() > FILE_LIMIT {
            return None;
        }
        let mut arriving = self.begin(&path.file_name()?.to_string_lossy()).ok()?;
        arriving.size = std::io::copy(&mut file.take(FILE_LIMIT), &mut arriving.file).ok()?;
        Some(arriving.keep())
    }
}

impl Arriving<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds what came. `false`: the file is too long now, and what came was not written.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> std::io::Result<bool> {
        self.size += bytes.len() as u64;
        if self.size > FILE_LIMIT {
            return Ok(false);
        }
        self.file.write_all(bytes).map(|()| true)
    }

    pub(crate) fn keep(mut self) -> Stored {
        self.kept = true;
        described(&self.stored, &self.name, self.size)
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.uploads.dir.remove_file(&self.stored);
        }
    }
}

fn described(stored: &str, name: &str, size: u64) -> Stored {
    let mime_type = mime_guess::from_path(name).first().map(|mime| mime.to_string());
    Stored { uri: chat_file::uri_of(stored), name: name.to_owned(), mime_type, size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_kept_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), None).unwrap();
        let uploads = Uploads::in_folder(&folder).unwrap();
        let mut half = uploads.begin("half.txt").unwrap();
        assert!(half.push(b"ha").unwrap());
        drop(half);
        let mut whole = uploads.begin("whole.txt").unwrap();
        assert!(whole.push(b"whole").unwrap());
        let stored = whole.keep();
        assert_eq!(std::fs::read_dir(root.path().join(IN_FOLDER)).unwrap().count(), 1);
        let name = Uploads::named(&stored.uri).unwrap();
        assert_eq!(uploads.read_text(name, 10).unwrap(), "whole");
        for spelling in [
            format!("/workspace/{IN_FOLDER}/{name}"),
            format!("{IN_FOLDER}/{name}"),
            format!("file:///workspace/{IN_FOLDER}/{name}"),
        ] {
            assert_eq!(Uploads::named(&spelling), Some(name), "{spelling}");
        }
        for other in ["a.txt", ".molecule/chat-uploads/", ".molecule/chat-uploads/../x", ".molecule/chat-uploads/a/b"] {
            assert_eq!(Uploads::named(other), None, "{other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere() {
        let base = tempfile::tempdir().unwrap();
        let (root, outside) = (base.path().join("root"), base.path().join("outside"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("secret"), "s").unwrap();
        std::os::unix::fs::symlink(&outside, root.join(".molecule")).unwrap();
        let folder = Folder::open(&root, None).unwrap();
        assert!(Uploads::in_folder(&folder).is_err(), "the folder of uploads was a link out");
        std::fs::remove_file(root.join(".molecule")).unwrap();
        let uploads = Uploads::in_folder(&folder).unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), root.join(IN_FOLDER).join("door")).unwrap();
        assert!(uploads.open("door").is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_an_answer_names_is_copied_and_a_kept_one_is_named_again() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("report.md"), "# done").unwrap();
        let folder = Folder::open(root.path(), None).unwrap();
        let uploads = Uploads::in_folder(&folder).unwrap();
        let stored = uploads.copy_in(Some(&folder), "/workspace/report.md").unwrap();
        assert_eq!((stored.name.as_str(), stored.mime_type.as_deref()), ("report.md", Some("text/markdown")));
        assert_eq!(stored.size, 6);
        let again = uploads.copy_in(Some(&folder), stored.uri.strip_prefix("workspace:").unwrap()).unwrap();
        assert_eq!((again.uri, again.name.as_str()), (stored.uri, "report.md"));
        assert!(uploads.copy_in(Some(&folder), "/workspace/missing.md").is_none());
        assert!(uploads.copy_in(Some(&folder), "/workspace/../x").is_none());
        assert!(uploads.copy_in(None, "/workspace/report.md").is_none());
    }
}
