//! Our own address: the port that is kept, and the file that tells the command line.

use std::{io, net::SocketAddr, path::Path};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::config::PortChoice;

/// The contract's default port.
pub const DEFAULT_PORT: u16 = 8080;
/// How many further ports are tried where nobody asked for one.
const TRIES: u16 = 20;

/// Where this server listens.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The port.
    pub port: u16,
}

/// What `endpoint.json` says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Published {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// The port.
    pub port: u16,
    /// The server's process.
    pub pid: u32,
}

impl Endpoint {
    /// `http://127.0.0.1:<port>`, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether `authority` (host and port, as in `Host`) is one of the names that every caller may use.
    #[must_use]
    pub fn is_own(&self, authority: &str) -> bool {
        self.is_named(authority, &["localhost", "127.0.0.1", "[::1]"])
    }

    /// Whether `authority` is one of `names` with our port.
    #[must_use]
    pub fn is_named(&self, authority: &str, names: &[&str]) -> bool {
        let Some((host, port)) = authority.rsplit_once(':') else { return false };
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        digits && port.parse() == Ok(self.port) && names.iter().any(|name| host.eq_ignore_ascii_case(name))
    }
}

/// The port could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It was asked for, and something else has it.
    #[error("port {0} is taken by another program; stop it, or start with another PORT")]
    Taken(u16),
    /// None of the ports that were tried is free.
    #[error("no free port between {0} and {1}; set PORT to one that is free")]
    NoneFree(u16, u16),
    /// The system refused.
    #[error("the port could not be opened")]
    Io(#[source] io::Error),
}

/// Binds the loopback address on the port asked for; by default the one kept from last time, then 8080 and up.
///
/// # Errors
/// [`BindError`] says which port was refused and what to do.
pub async fn bind(choice: PortChoice, kept: Option<u16>) -> Result<(TcpListener, Endpoint), BindError> {
    let candidates: Vec<u16> = match choice {
        PortChoice::Exactly(port) => vec![port],
        PortChoice::Default => kept.into_iter().chain(DEFAULT_PORT..=DEFAULT_PORT + TRIES).collect(),
    };
    for port in candidates {
        match TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await {
            Ok(listener) => {
                let port = listener.local_addr().map_err(BindError::Io)?.port();
                return Ok((listener, Endpoint { port }));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::info!(port, "port is taken");
            }
            Err(error) => return Err(BindError::Io(error)),
        }
    }
    Err(match choice {
        PortChoice::Exactly(port) => BindError::Taken(port),
        PortChoice::Default => BindError::NoneFree(DEFAULT_PORT, DEFAULT_PORT + TRIES),
    })
}

/// Reads `endpoint.json`.
#[must_use]
pub fn read(path: &Path) -> Option<Published> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes `endpoint.json`, 0600.
///
/// # Errors
/// When the file cannot be written.
pub fn publish(path: &Path, endpoint: &Endpoint) -> io::Result<()> {
    let published = Published { url: endpoint.url(), port: endpoint.port, pid: std::process::id() };
    write_private(path, serde_json::to_string(&published).unwrap_or_default().as_bytes())
}

/// Writes a file that only its owner reads: a temporary one, 0600 from the start, then renamed.
///
/// # Errors
/// When the file cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let temporary = path.with_extension("new");
    drop(std::fs::remove_file(&temporary));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn s1_only_our_own_names_with_our_port() {
        let endpoint = Endpoint { port: 8080 };
        for own in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080"] {
            assert!(endpoint.is_own(own), "{own}");
        }
        for foreign in [
            "",
            "localhost",
            "localhost:80",
            "localhost:08081",
            "127.0.0.1",
            "127.1:8080",
            "2130706433:8080",
            "0x7f000001:8080",
            "127.0.0.2:8080",
            "0.0.0.0:8080",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "localhost:8080.evil.example",
            "localhost.:8080",
            "::1:8080",
            "[::ffff:127.0.0.1]:8080",
            "user@localhost:8080",
            "localhost:8080/",
            " localhost:8080",
            "localhost:+8080",
            "host.docker.internal:8080",
            "platform:8080",
            "127.0.0.1:8080,evil.example",
        ] {
            assert!(!endpoint.is_own(foreign), "{foreign:?}");
        }
    }
}
