//! What a workspace's fields may hold (20 §1.1, §1.5). One place for create, edit and import.

use std::path::{Component, Path, PathBuf};

use molecule_model::wire::WorkspaceAccess;

/// Characters that a name or a role must not hold: they would mean something in YAML.
const SPECIAL: [char; 9] = ['{', '}', '[', ']', '|', '>', '*', '&', '!'];
/// Longest name, bytes.
const NAME: usize = 255;
/// Longest role, bytes.
const ROLE: usize = 1000;
/// Longest model or runtime, bytes.
const SHORT: usize = 100;

/// Folders of the system that no agent is given, whole or in part.
#[cfg(not(windows))]
const SYSTEM: [&str; 16] = [
    "/etc",
    "/var",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/sbin",
    "/bin",
    "/lib",
    "/usr",
    "/System",
    "/Library",
    "/private/etc",
    "/private/var/db",
    "/private/var/root",
    "/run",
];
#[cfg(windows)]
const SYSTEM: [&str; 4] = ["C:\\Windows", "C:\\Program Files", "C:\\Program Files (x86)", "C:\\ProgramData"];

/// Why a value is refused: a sentence for the one who typed it.
pub type Refusal = String;

/// A name: not empty, one line, none of the special characters.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err("name must not be empty".into());
    }
    line("name", text, NAME)?;
    plain("name", text)
}

/// A role; may be empty.
///
/// # Errors
/// What is wrong with it.
pub fn role(text: &str) -> Result<(), Refusal> {
    line("role", text, ROLE)?;
    plain("role", text)
}

/// A model's slug; may be empty.
///
/// # Errors
/// What is wrong with it.
pub fn model(text: &str) -> Result<(), Refusal> {
    line("model", text, SHORT)
}

/// A runtime's name; may be empty.
///
/// # Errors
/// What is wrong with it.
pub fn runtime(text: &str) -> Result<(), Refusal> {
    line("runtime", text, SHORT)
}

fn line(field: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() > most {
        return Err(format!("{field} must be at most {most} characters"));
    }
    if text.contains(['\r', '\n']) {
        return Err(format!("{field} must not contain line breaks"));
    }
    Ok(())
}

fn plain(field: &str, text: &str) -> Result<(), Refusal> {
    match text.chars().find(|c| SPECIAL.contains(c)) {
        Some(c) => Err(format!("{field} must not contain {c}")),
        None => Ok(()),
    }
}

/// A folder of the person's that an agent may be given: absolute, no `..`, none of the system's, and none that
/// would open the platform's own data (its admin token, its database) to the agent.
///
/// # Errors
/// What is wrong with it.
pub fn directory(text: &str, data: &Path) -> Result<(), Refusal> {
    let cleaned = cleaned(text)?;
    if opens(&cleaned, data) {
        return Err("the folder holds, or lies in, Molecule's own data; choose a folder of its own".into());
    }
    Ok(())
}

/// Absolute, no `..`, none of the system's.
fn cleaned(text: &str) -> Result<PathBuf, &'static str> {
    if !Path::new(text).is_absolute() || text.contains("..") || text.contains('\0') {
        return Err("workspace_dir must be an absolute path without ..");
    }
    let cleaned: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
    if cleaned.parent().is_none() || SYSTEM.iter().any(|folder| cleaned.starts_with(folder)) {
        return Err("workspace_dir must not be a folder of the system");
    }
    Ok(cleaned)
}

/// Whether whoever may work in `folder` could read the platform's own data: it lies in it, or holds it. A link
/// may lead elsewhere than its name says.
#[must_use]
pub fn opens(folder: &Path, data: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (folder, data) = ([folder.to_owned(), real(folder)], [data.to_owned(), real(data)]);
    folder.iter().any(|folder| data.iter().any(|data| folder.starts_with(data) || data.starts_with(folder)))
}

/// A name, for organisations.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(text: &str) -> Result<(), Refusal> {
    name(text)
}

/// A folder and what may be done there, for organisations.
///
/// # Errors
/// What is wrong with them.
pub fn check_dir(dir: Option<&str>, access: WorkspaceAccess) -> Result<(), &'static str> {
    match dir {
        None if access != WorkspaceAccess::None => Err("workspace_access needs a workspace_dir"),
        None => Ok(()),
        Some(dir) => cleaned(dir).map(drop),
    }
}

/// An access and the folder that it needs.
///
/// # Errors
/// When the word is unknown, or there is no folder to read or write.
pub fn access(word: &str, folder: Option<&str>) -> Result<WorkspaceAccess, Refusal> {
    let access = WorkspaceAccess::parse(word).ok_or("workspace_access must be none, read_only or read_write")?;
    if access != WorkspaceAccess::None && folder.is_none_or(str::is_empty) {
        return Err(format!("workspace_access {} needs a workspace_dir", access.as_str()));
    }
    Ok(access)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use molecule_model::wire::WorkspaceAccess;

    use super::{access, directory, model, name, role};

    #[test]
    fn names_and_roles() {
        for bad in ["", "a\nb", "a\rb", "{x", "x]", "a|b", "a>b", "*a", "a&b", "a!b", &"x".repeat(256)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "Docs Writer: v2 - #1 \"quoted\" 'x' %", &"x".repeat(255), "Zoë"] {
            assert!(name(good).is_ok(), "{good:?}");
        }
        assert!(role("").is_ok() && role(&"x".repeat(1000)).is_ok() && role(&"x".repeat(1001)).is_err());
        assert!(model("a/b:c*").is_ok() && model("a\nb").is_err() && model(&"x".repeat(101)).is_err());
        assert_eq!(name(&"x".repeat(256)).unwrap_err(), "name must be at most 255 characters");
    }

    #[cfg(unix)]
    #[test]
    fn folders() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        std::fs::create_dir_all(data.join("workspaces")).unwrap();
        std::fs::create_dir_all(home.path().join("project")).unwrap();
        std::os::unix::fs::symlink(&data, home.path().join("link")).unwrap();
        let check = |path: &str| directory(path, &data);
        for bad in [
            "",
            "project",
            "/etc",
            "/etc/",
            "/etc/passwd",
            "//etc",
            "/./etc/x",
            "/usr/local",
            "/a/../b",
            "/a..b",
            "/proc/1",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for bad in ["data", "data/workspaces", "link", ""] {
            assert!(check(home.path().join(bad).to_str().unwrap()).is_err(), "{bad:?}");
        }
        for good in ["project", "not-yet-there"] {
            assert!(check(home.path().join(good).to_str().unwrap()).is_ok(), "{good:?}");
        }
        assert!(directory("/etcetera", Path::new("/home/me/data")).is_ok());
    }

    #[test]
    fn an_access_needs_a_folder() {
        assert_eq!(access("", None), Ok(WorkspaceAccess::None));
        assert_eq!(access("none", Some("/x")), Ok(WorkspaceAccess::None));
        assert_eq!(access("read_only", Some("/x")), Ok(WorkspaceAccess::ReadOnly));
        assert!(
            access("read_write", None).is_err()
                && access("read_write", Some("")).is_err()
                && access("all", Some("/x")).is_err()
        );
    }
}
