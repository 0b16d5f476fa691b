//! The two secrets between this agent and its platform, in files of the config folder (40 §2).
//!
//! They are read anew for every use: the platform may rotate them while the agent runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

#[derive(Debug)]
pub(crate) struct Credentials {
    token: PathBuf,
    inbound: PathBuf,
}

impl Credentials {
    pub(super) fn in_folder(config_dir: &Path) -> Self {
        Self { token: config_dir.join(".auth_token"), inbound: config_dir.join(".platform_inbound_secret") }
    }

    /// What this agent presents to the platform.
    pub(crate) fn token(&self) -> Option<SecretString> {
        read(&self.token)
    }

    /// What the platform presents to this agent.
    pub(crate) fn inbound_secret(&self) -> Option<SecretString> {
        read(&self.inbound)
    }

    pub(super) fn keep_token(&self, token: &str) {
        keep(&self.token, token);
    }

    pub(super) fn keep_inbound_secret(&self, secret: &str) {
        keep(&self.inbound, secret);
    }
}

fn read(path: &Path) -> Option<SecretString> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| SecretString::from(text.to_owned()))
}

fn keep(path: &Path, secret: &str) {
    if secret.is_empty() || read(path).is_some_and(|kept| kept.expose_secret() == secret) {
        return;
    }
    if let Err(error) = write_private(path, format!("{secret}\n").as_bytes()) {
        tracing::warn!(kind = %error.kind(), "a credential could not be stored");
    }
}

/// Writes a file that only this user reads (0600): a new one beside it, then renamed over it.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{name}.{}.tmp", uuid::Uuid::new_v4().simple()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_platform_hands_over_is_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::in_folder(folder.path());
        assert!(credentials.token().is_none());
        credentials.keep_token("one");
        credentials.keep_token("");
        assert_eq!(credentials.token().unwrap().expose_secret(), "one");
        std::fs::write(folder.path().join(".auth_token"), "two\n").unwrap();
        assert_eq!(credentials.token().unwrap().expose_secret(), "two", "a rotated token is seen at once");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            credentials.keep_inbound_secret("s");
            let mode = std::fs::metadata(folder.path().join(".platform_inbound_secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
