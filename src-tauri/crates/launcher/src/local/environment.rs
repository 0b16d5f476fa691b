//! The environment of an agent: cleared, then exactly what is written here.
//!
//! The server's own variables (tokens of the shell it was started from, say) never reach an agent.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use secrecy::ExposeSecret;

use crate::{Launch, LaunchError};

/// Marks every process of this installation, so that a sweep can tell ours from a stranger's.
pub(super) const INSTALLATION: &str = "MOLECULE_INSTALLATION";

/// Passed through if set. Proxy variables are read in both cases by the usual clients.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RUST_LOG",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Without these no program gets far on Windows (sockets need `SystemRoot`).
#[cfg(windows)]
const INHERITED_ON_WINDOWS: &[&str] = &[
    "APPDATA",
    "COMSPEC",
    "LOCALAPPDATA",
    "PATHEXT",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
];
#[cfg(not(windows))]
const INHERITED_ON_WINDOWS: &[&str] = &[];

/// Variables by name; a later one replaces an earlier one.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// The part of the server's own environment that agents may see.
pub(super) fn inherited() -> Environment {
    INHERITED
        .iter()
        .chain(INHERITED_ON_WINDOWS)
        .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
        .collect()
}

/// The whole environment of one agent: what is inherited, then the launcher's own variables, then
/// the launch's (20 §7.4: a later duplicate wins), then the mark that nothing may change.
pub(super) fn assemble(
    inherited: &Environment,
    installation: &str,
    launch: &Launch,
) -> Result<Environment, LaunchError> {
    let spec = launch.spec();
    let platform_url = launch.credentials().platform_url.expose_secret();
    let mut environment = inherited.clone();
    let mut set = |name: &str, value: &OsStr| {
        if is_passable(name, value) {
            environment.insert(name.into(), value.into());
            Ok(())
        } else {
            Err(LaunchError::Environment { name: name.into() })
        }
    };
    set("WORKSPACE_ID", spec.workspace_id.to_string().as_ref())?;
    set("PLATFORM_URL", platform_url.as_ref())?;
    set("MOLECULE_URL", platform_url.as_ref())?;
    set("WORKSPACE_CONFIG_PATH", path(&spec.config_dir))?;
    set("CONFIGS_DIR", path(&spec.config_dir))?;
    set("MOLECULE_WORKSPACE_DIR", path(&spec.workspace_dir))?;
    set("MOLECULE_WORKSPACE_ACCESS", spec.workspace_access.as_str().as_ref())?;
    set("MOLECULE_AGENT_MEMORY_MB", spec.memory_mb.to_string().as_ref())?;
    set("MOLECULE_AGENT_NAME", spec.name.as_ref())?;
    for (name, value) in &spec.env {
        set(name, value.expose_secret().as_ref())?;
    }
    set(INSTALLATION, installation.as_ref())?;
    Ok(environment)
}

fn path(path: &Path) -> &OsStr {
    path.as_os_str()
}

fn is_passable(name: &str, value: &OsStr) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !value.as_encoded_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::testing::{launch, workspace_id};

    fn with_env(name: &str, value: &str) -> Result<Environment, LaunchError> {
        let mut launch = launch(workspace_id(1), Path::new("/data"));
        launch = Launch::new(
            crate::LaunchSpec { env: [(name.to_owned(), value.into())].into(), ..launch.spec().clone() },
            launch.credentials().clone(),
        );
        assemble(&Environment::from([("PATH".into(), "/bin".into())]), "this-one", &launch)
    }

    #[test]
    fn later_sources_win_except_over_the_mark() {
        let value = |name: &str| {
            let environment = with_env(name, "mine").unwrap();
            environment[OsStr::new(name)].clone()
        };
        assert_eq!(value("PATH"), "mine");
        assert_eq!(value("MODEL"), "mine");
        assert_eq!(value("PLATFORM_URL"), "mine");
        assert_eq!(value(INSTALLATION), "this-one");
    }

    #[test]
    fn impassable_variables_are_refused_by_name() {
        for (name, value) in [("", "v"), ("A=B", "v"), ("A\0", "v"), ("A", "v\0w")] {
            let error = with_env(name, value).unwrap_err();
            assert!(matches!(&error, LaunchError::Environment { name: n } if n == name), "{error}");
            assert!(!error.to_string().contains("v\\0w"));
        }
    }
}
