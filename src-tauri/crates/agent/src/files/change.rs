//! A change of a file: worked out first, shown as a diff, made only afterwards and only if the file is
//! still the one that was shown.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::fs::{Dir, OpenOptions};
use similar::TextDiff;

use super::{Folder, Refused};

/// Largest file that is changed, in bytes.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
/// Largest diff that a person is asked to look at, in bytes. What cannot be shown is not done.
const DIFF_LIMIT: usize = 256 * 1024;

/// A change that was not made yet.
#[derive(Debug)]
pub(crate) struct Change {
    /// As it was asked for.
    given: String,
    /// From the folder's root, links resolved.
    path: PathBuf,
    /// The bytes that the diff was made against; `None`: there was no file.
    before: Option<Vec<u8>>,
    after: String,
    /// Unified diff.
    pub diff: String,
}

impl Change {
    /// The path from the folder's root, with `/` between names.
    pub(crate) fn path(&self) -> String {
        shown(&self.path)
    }

    pub(crate) const fn creates(&self) -> bool {
        self.before.is_none()
    }
}

impl Folder {
    /// A new content for a file, which need not exist yet.
    pub(crate) fn plan_write(&self, given: &str, content: &str) -> Result<Change, Refused> {
        let path = self.resolve(given)?;
        if path.file_name().is_none() {
            return Err(Refused::IsFolder(given.to_owned()));
        }
        let before = match self.read(given, FILE_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(Refused::Missing(_)) => None,
            Err(refused) => return Err(refused),
        };
        Self::plan(given, path, before, content.to_owned())
    }

    /// Replaces the one place where `old` stands.
    pub(crate) fn plan_edit(&self, given: &str, old: &str, new: &str) -> Result<Change, Refused> {
        let path = self.resolve(given)?;
        let before = self.read_text(given, FILE_LIMIT)?;
        let found = || Refused::NotFound { path: given.to_owned() };
        if old.is_empty() {
            return Err(found());
        }
        match before.match_indices(old).count() {
            0 => return Err(found()),
            1 => {}
            count => return Err(Refused::Ambiguous { path: given.to_owned(), count }),
        }
        let after = before.replacen(old, new, 1);
        Self::plan(given, path, Some(before.into_bytes()), after)
    }

    fn plan(given: &str, path: PathBuf, before: Option<Vec<u8>>, after: String) -> Result<Change, Refused> {
        if before.as_deref() == Some(after.as_bytes()) {
            return Err(Refused::NoChange(given.to_owned()));
        }
        let diff = diff(&shown(&path), before.as_deref(), &after);
        if diff.len() > DIFF_LIMIT || after.len() as u64 > FILE_LIMIT {
            return Err(Refused::ChangeTooLarge(given.to_owned()));
        }
        Ok(Change { given: given.to_owned(), path, before, after, diff })
    }

    /// Makes the change: a new file beside the old one, then renamed over it, so that nobody ever sees
    /// half of it and no link at the end of the path is followed.
    pub(crate) fn make(&self, change: &Change) -> Result<(), Refused> {
        let refused = |error: std::io::Error| Refused::from_io(&change.given, &error);
        // The path is resolved again beneath the handle; it must lead to the same place as before.
        if self.resolve(&shown(&change.path))? != change.path {
            return Err(Refused::Changed(change.given.clone()));
        }
        let now = match self.read(&shown(&change.path), FILE_LIMIT) {
            Ok(bytes) => Some(bytes),
            Err(Refused::Missing(_)) => None,
            Err(refused) => return Err(refused),
        };
        if now != change.before {
            return Err(Refused::Changed(change.given.clone()));
        }
        let parent = change.path.parent().unwrap_or(Path::new(""));
        let Some(name) = change.path.file_name() else { return Err(Refused::IsFolder(change.given.clone())) };
        let parent = if parent.as_os_str().is_empty() {
            self.handle().try_clone().map_err(refused)?
        } else {
            self.handle().create_dir_all(parent).map_err(refused)?;
            self.handle().open_dir(parent).map_err(refused)?
        };
        let temporary = format!(".{}.molecule-tmp", uuid::Uuid::new_v4().simple());
        let written = write_beside(&parent, &temporary, Path::new(name), change.after.as_bytes());
        if written.is_err() {
            drop(parent.remove_file(&temporary));
        }
        written.map_err(refused)
    }
}

fn write_beside(parent: &Dir, temporary: &str, name: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = parent.open_with(temporary, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(content)?;
    if let Ok(old) = parent.symlink_metadata(name)
        && old.is_file()
    {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()?;
    drop(file);
    parent.rename(temporary, parent, name)
}

fn diff(path: &str, before: Option<&[u8]>, after: &str) -> String {
    let old = match before.map(std::str::from_utf8) {
        None => "",
        Some(Ok(text)) => text,
        Some(Err(_)) => return format!("--- a/{path} (not text)\n+++ b/{path}\n{}", all_added(after)),
    };
    let from = if before.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
    let diff = TextDiff::configure().timeout(Duration::from_millis(500)).diff_lines(old, after);
    diff.unified_diff().context_radius(3).header(&from, &format!("b/{path}")).to_string()
}

fn all_added(text: &str) -> String {
    text.lines().flat_map(|line| ["+", line, "\n"]).collect()
}

/// With `/` between names on every system.
pub(super) fn shown(path: &Path) -> String {
    let names: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    names.join("/")
}
