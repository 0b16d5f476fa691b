//! What a person may write into a workspace's fields (20 §1.1, §1.5). Lengths are bytes.

use std::path::{Component, Path};

use molecule_model::wire::WorkspaceAccess;

const NAME: usize = 255;
const ROLE: usize = 1000;
const SHORT: usize = 100;
/// What would be read as YAML where a name is written into a file.
const BANNED: [char; 9] = ['{', '}', '[', ']', '|', '>', '*', '&', '!'];
/// Where no agent may work: the system's own folders.
const SYSTEM: [&str; 10] = ["/etc", "/var", "/proc", "/sys", "/dev", "/boot", "/sbin", "/bin", "/lib", "/usr"];

fn check_text(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("{what} must be at most {most} characters"));
    }
    if text.contains(['\r', '\n']) {
        return Err(format!("{what} must be one line"));
    }
    match text.chars().find(|c| BANNED.contains(c)) {
        Some(c) => Err(format!("{what} must not contain {c}")),
        None => Ok(()),
    }
}

/// A workspace's name.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("name is required".to_owned());
    }
    check_text("name", name, NAME)
}

/// A workspace's role.
///
/// # Errors
/// What is wrong with it.
pub fn check_role(role: &str) -> Result<(), String> {
    check_text("role", role, ROLE)
}

/// A model or a runtime.
///
/// # Errors
/// What is wrong with it.
pub fn check_short(what: &str, text: &str) -> Result<(), String> {
    if text.len() > SHORT {
        return Err(format!("{what} must be at most {SHORT} characters"));
    }
    if text.contains(['\r', '\n']) { Err(format!("{what} must be one line")) } else { Ok(()) }
}

/// A folder to work in, and what an agent may do there (20 §1.5).
///
/// # Errors
/// What is wrong with them.
pub fn check_dir(dir: Option<&str>, access: WorkspaceAccess) -> Result<(), &'static str> {
    match dir {
        None if access != WorkspaceAccess::None => Err("workspace_access needs a workspace_dir"),
        None => Ok(()),
        Some(dir) => check_path(dir),
    }
}

fn check_path(dir: &str) -> Result<(), &'static str> {
    let path = Path::new(dir);
    if !path.is_absolute() || dir.contains("..") {
        return Err("workspace_dir must be an absolute path without ..");
    }
    let clean: std::path::PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if clean == Path::new("/") || SYSTEM.iter().any(|system| clean.starts_with(system)) {
        return Err("workspace_dir must not be a folder of the system");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use molecule_model::wire::WorkspaceAccess::{None as Closed, ReadOnly, ReadWrite};

    use super::{check_dir, check_name};

    #[test]
    fn names() {
        for good in ["Docs Writer", "Ärztin", "a"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", " ", "a\nb", "a{b", "x: [1]", "!include x", long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn folders() {
        for (dir, access, good) in [
            (None, Closed, true),
            (None, ReadWrite, false),
            (Some("/home/me/x"), ReadOnly, true),
            (Some("/home/me/x"), Closed, true),
            (Some("home/me"), ReadWrite, false),
            (Some("/home/me/../../etc"), ReadWrite, false),
            (Some("/home/a..b"), ReadWrite, false),
            (Some("/etc"), ReadOnly, false),
            (Some("/etc/x"), ReadOnly, false),
            (Some("/./etc"), ReadOnly, false),
            (Some("//usr//x"), ReadOnly, false),
            (Some("/etcetera"), ReadOnly, true),
            (Some("/"), ReadOnly, false),
        ] {
            assert_eq!(check_dir(dir, access).is_ok(), good, "{dir:?} {access:?}");
        }
    }
}
