//! `.auth_token` and `.platform_inbound_secret` in an agent's `/configs` (20 §7.7, §7.8).

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::private_file;
use crate::{Credentials, LaunchError};

/// The two files, removed again on drop unless [kept](Self::keep): a start that fails leaves no
/// credentials behind (`R-58`).
pub(super) struct CredentialFiles {
    paths: [PathBuf; 2],
    kept: bool,
}

impl CredentialFiles {
    /// Writes both, 0600, without a trailing newline.
    pub(super) fn write(config_dir: &Path, credentials: &Credentials) -> Result<Self, LaunchError> {
        let files =
            Self { paths: [".auth_token", ".platform_inbound_secret"].map(|name| config_dir.join(name)), kept: false };
        let secrets = [&credentials.auth_token, &credentials.inbound_secret];
        for (path, secret) in files.paths.iter().zip(secrets) {
            private_file::write(path, secret.expose_secret().as_bytes())
                .map_err(LaunchError::files("write credentials"))?;
        }
        Ok(files)
    }

    /// The agent runs: the files stay.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for CredentialFiles {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in &self.paths {
            if let Err(error) = private_file::remove(path) {
                tracing::warn!(%error, "credentials of a failed start could not be removed");
            }
        }
    }
}
