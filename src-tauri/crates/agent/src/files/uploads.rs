//! Files of the chat (10 §13, 40 §10.6): `/workspace/.molecule/chat-uploads`, in the folder where the agent
//! may write there, else beside its configuration, so that a folder given for reading stays as it is.

use std::io::{Read, Write};
use std::path::{Component, Path};

use cap_std::fs::{Dir, File, OpenOptions};
use molecule_model::preview::cut_bytes;

use super::{Folder, Refused, read_up_to, reading};

/// As agents and the platform name it.
const VIRTUAL: &str = "/workspace/.molecule/chat-uploads";
/// In the person's folder.
const IN_FOLDER: &str = ".molecule/chat-uploads";
/// In the config folder.
const IN_CONFIG: &str = ".chat-uploads";
/// Longest file, in bytes.
pub(crate) const FILE_LIMIT: u64 = 25 * 1024 * 1024;

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
}

/// A file being taken in; gone again when dropped before it was kept.
pub(crate) struct Arriving<'a> {
    uploads: &'a Uploads,
    file: File,
    stored: String,
    name: String,
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
        let name = sanitise(name);
        let stored = format!("{}-{name}", uuid::Uuid::new_v4().simple());
        let file = self.dir.open_with(&stored, OpenOptions::new().write(true).create_new(true))?;
        Ok(Arriving { uploads: self, file, stored, name, kept: false })
    }

    /// Takes in a copy of a file of the folder, if it is one and not too long.
    pub(crate) fn copy_in(&self, folder: &Folder, path: &str) -> Option<Stored> {
        if let Some(stored) = Self::named(path) {
            self.open(stored).ok()?;
            let name = stored.get(33..).unwrap_or(stored);
            return Some(described(stored, name));
        }
        let (file, path) = folder.open_file(path).ok()?;
        if file.metadata().ok()?.len() > FILE_LIMIT {
            return None;
        }
        let mut arriving = self.begin(&path.file_name()?.to_string_lossy()).ok()?;
        std::io::copy(&mut file.take(FILE_LIMIT), &mut arriving.file).ok()?;
        Some(arriving.keep())
    }
}

impl Arriving<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(crate) fn keep(mut self) -> Stored {
        self.kept = true;
        described(&self.stored, &self.name)
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let _ = self.uploads.dir.remove_file(&self.stored);
        }
    }
}

fn described(stored: &str, name: &str) -> Stored {
    Stored {
        uri: format!("workspace:{VIRTUAL}/{stored}"),
        name: name.to_owned(),
        mime_type: mime_guess::from_path(name).first().map(|mime| mime.to_string()),
    }
}

/// A name that is safe as a file's: 10 §13.1.
fn sanitise(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        base.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    if clean.is_empty() || clean == "." || clean == ".." {
        return "file".to_owned();
    }
    if clean.len() <= 100 {
        return clean;
    }
    match clean.rsplit_once('.').filter(|(_, extension)| extension.len() < 16) {
        Some((stem, extension)) => format!("{}.{extension}", cut_bytes(stem, 99 - extension.len())),
        None => cut_bytes(&clean, 100).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_safe() {
        let table = [
            ("a b.md", "a_b.md"),
            ("../../etc/passwd", "passwd"),
            ("", "file"),
            ("..", "file"),
            ("ä.txt", "_.txt"),
            ("C:\\x\\y.z", "y.z"),
        ];
        for (given, want) in table {
            assert_eq!(sanitise(given), want, "{given}");
        }
        let long = sanitise(&format!("{}.jpeg", "x".repeat(300)));
        assert_eq!(long.len(), 100);
        assert!(long.ends_with(".jpeg"));
    }

    #[test]
    fn a_file_that_is_not_kept_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path(), None).unwrap();
        let uploads = Uploads::in_folder(&folder).unwrap();
        let mut half = uploads.begin("half.txt").unwrap();
        half.push(b"ha").unwrap();
        drop(half);
        let mut whole = uploads.begin("whole.txt").unwrap();
        whole.push(b"whole").unwrap();
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
        let stored = uploads.copy_in(&folder, "/workspace/report.md").unwrap();
        assert_eq!((stored.name.as_str(), stored.mime_type.as_deref()), ("report.md", Some("text/markdown")));
        let again = uploads.copy_in(&folder, stored.uri.strip_prefix("workspace:").unwrap()).unwrap();
        assert_eq!((again.uri, again.name.as_str()), (stored.uri, "report.md"));
        assert!(uploads.copy_in(&folder, "/workspace/missing.md").is_none());
        assert!(uploads.copy_in(&folder, "/workspace/../x").is_none());
    }
}
