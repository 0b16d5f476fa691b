//! A template's folder, on disk or in the binary. Nothing outside of it can be read through it.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    io,
    path::{Component, Path, PathBuf},
};

use super::shipped;

/// Files of one template at most.
const MOST_FILES: usize = 2_000;
/// Largest file, bytes.
const LARGEST: u64 = 5 * 1024 * 1024;
/// What is never part of a template's content: version control, and secrets, which go to the vault.
const LEFT_OUT: [&str; 5] = [".git", ".DS_Store", ".env", ".auth_token", ".platform_inbound_secret"];

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Folder {
    /// On disk.
    Disk(PathBuf),
    /// In the binary; the path ends with `/`.
    Shipped(String),
}

impl Folder {
    pub(super) fn shipped(path: &str) -> Self {
        Self::Shipped(format!("{path}/"))
    }

    /// The folder inside this one; `None` when there is none or `path` leads out.
    #[must_use]
    pub fn sub(&self, path: &str) -> Option<Self> {
        let path = inside(path)?;
        match self {
            Self::Disk(_) => self.on_disk(&path).filter(|found| found.is_dir()).map(Self::Disk),
            Self::Shipped(base) => {
                let below = format!("{base}{path}/");
                shipped::files().any(|file| file.starts_with(&below)).then_some(Self::Shipped(below))
            }
        }
    }

    /// The bytes of a file inside; `None` when there is none, it is too large, or `path` leads out.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        let path = inside(path)?;
        match self {
            Self::Disk(_) => {
                let file = self.on_disk(&path)?;
                let about = std::fs::metadata(&file).ok()?;
                if !about.is_file() || about.len() > LARGEST {
                    return None;
                }
                std::fs::read(file).ok().map(Cow::Owned)
            }
            Self::Shipped(base) => shipped::read(&format!("{base}{path}")),
        }
    }

    /// A file inside as text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.read(path)?.into_owned()).ok()
    }

    /// The names of the folders directly inside, sorted; hidden ones are left out.
    #[must_use]
    pub fn children(&self) -> Vec<String> {
        let names: BTreeSet<String> = match self {
            Self::Disk(root) => {
                let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
                let folders = entries.flatten().filter(|entry| entry.path().is_dir());
                folders.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
            Self::Shipped(base) => shipped::files()
                .filter_map(|file| file.strip_prefix(base.as_str())?.split_once('/').map(|(name, _)| name.to_owned()))
                .collect(),
        };
        names.into_iter().filter(|name| !name.starts_with('.')).collect()
    }

    /// Every file inside, relative, with `/` between folders, sorted. Links are not followed.
    ///
    /// # Errors
    /// When a folder cannot be read, or holds more than a template may.
    pub fn files(&self) -> io::Result<Vec<String>> {
        let mut files = Vec::new();
        match self {
            Self::Disk(root) => walk(root, "", &mut files)?,
            Self::Shipped(base) => {
                files.extend(shipped::files().filter_map(|file| file.strip_prefix(base.as_str()).map(str::to_owned)));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The real path of `path` inside a folder on disk, links resolved, if it is there and does not lead out.
    fn on_disk(&self, path: &str) -> Option<PathBuf> {
        let Self::Disk(root) = self else { return None };
        let root = root.canonicalize().ok()?;
        let found = root.join(path).canonicalize().ok()?;
        found.starts_with(&root).then_some(found)
    }
}

fn walk(root: &Path, below: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            if files.len() >= MOST_FILES {
                return Err(io::Error::other(format!("more than {MOST_FILES} files in a template")));
            }
            files.push(path);
        }
    }
    Ok(())
}

/// A relative path cleaned of `.` and `..`; `None` when it is empty, absolute, or leads out (20 §7.2).
#[must_use]
pub(super) fn inside(path: &str) -> Option<String> {
    if path.contains('\0') || path.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// A name as a folder (20 §11.2): blanks and `-` become `-`, letters lower case, digits and `_` stay, the
/// rest goes; nothing left is `unnamed`.
#[must_use]
pub fn normalised(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter_map(|c| match c {
            ' ' | '-' => Some('-'),
            'A'..='Z' => Some(c.to_ascii_lowercase()),
            'a'..='z' | '0'..='9' | '_' => Some(c),
            _ => None,
        })
        .collect();
    if kept.is_empty() { "unnamed".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::{Folder, inside, normalised};

    #[test]
    fn paths_never_lead_out() {
        for (path, want) in [
            ("a", Some("a")),
            ("./a/../b", Some("b")),
            ("a/b", Some("a/b")),
            ("", None),
            (".", None),
            ("a/..", None),
            ("..", None),
            ("a/../../b", None),
            ("/etc", None),
            ("a\\..\\b", None),
            ("a\0", None),
        ] {
            assert_eq!(inside(path).as_deref(), want, "{path:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn s047_links_do_not_lead_out_either() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        std::fs::create_dir(root.path().join("role")).unwrap();
        std::fs::write(root.path().join("role/.env"), "A=b").unwrap();
        std::fs::write(root.path().join("role/notes.md"), "n").unwrap();
        let folder = Folder::Disk(root.path().to_owned());
        assert_eq!(folder.sub("link"), None);
        assert_eq!(folder.read("link/secret"), None);
        assert_eq!(folder.files().unwrap(), ["role/notes.md"]);
        assert!(folder.sub("role").is_some());
    }

    #[test]
    fn names_become_folders() {
        for (name, want) in [("Docs Writer", "docs-writer"), ("A/B_c-1", "ab_c-1"), ("Ü!", "unnamed")] {
            assert_eq!(normalised(name), want);
        }
    }
}
