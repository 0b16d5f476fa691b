//! An agent's first words: `{"listening":"http://127.0.0.1:41234"}` on one line of stdout.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::time::sleep;

use super::agent_process::{AgentProcess, End};

/// Longest first line, in bytes.
const LINE_LIMIT: u64 = 4096;

/// Why there is no address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotListening {
    /// The agent ended first.
    Exited(End),
    /// The deadline passed, or the server is shutting down.
    TooLate,
    /// The line is something else.
    Unusable(String),
}

/// Waits for the line and returns the URL in it. What follows on stdout is read and dropped for as
/// long as the agent lives, so that it never blocks on it.
pub(super) async fn wait(
    process: &mut AgentProcess,
    stdout: impl AsyncRead + Unpin + Send + 'static,
    deadline: Duration,
    give_up: impl Future<Output = ()>,
) -> Result<String, NotListening> {
    let mut stdout = BufReader::new(stdout);
    let first_line = async {
        let mut line = Vec::new();
        let read = (&mut stdout).take(LINE_LIMIT).read_until(b'\n', &mut line).await;
        match read {
            Ok(1..) => parse(&line),
            // Closed without a word: it is ending, or will never speak.
            _ => std::future::pending().await,
        }
    };
    let url = tokio::select! {
        biased;
        parsed = first_line => parsed?,
        end = process.wait() => return Err(NotListening::Exited(end)),
        () = give_up => return Err(NotListening::TooLate),
        () = sleep(deadline) => return Err(NotListening::TooLate),
    };
    tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
    Ok(url)
}

/// Only a loopback address is accepted: the platform will send it bearers.
fn parse(line: &[u8]) -> Result<String, NotListening> {
    #[derive(Deserialize)]
    struct FirstLine {
        listening: String,
    }
    let unusable = || NotListening::Unusable(String::from_utf8_lossy(line).into_owned());
    let said: FirstLine = serde_json::from_slice(line).map_err(|_| unusable())?;
    let address = said.listening.strip_prefix("http://").ok_or_else(unusable)?;
    let address: SocketAddr = address.strip_suffix('/').unwrap_or(address).parse().map_err(|_| unusable())?;
    if address.ip().is_loopback() && address.port() != 0 { Ok(format!("http://{address}")) } else { Err(unusable()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_loopback_only() {
        let url = |listening: &str| parse(format!("{{\"listening\":\"{listening}\"}}\n").as_bytes());
        assert_eq!(url("http://127.0.0.1:41234").unwrap(), "http://127.0.0.1:41234");
        assert_eq!(url("http://127.0.0.1:41234/").unwrap(), "http://127.0.0.1:41234");
        assert_eq!(url("http://[::1]:9").unwrap(), "http://[::1]:9");
        for refused in [
            "http://127.0.0.1:0",
            "http://127.0.0.1",
            "http://10.0.0.1:80",
            "http://localhost:80",
            "https://127.0.0.1:80",
            "http://127.0.0.1:80/path",
            "http://user@127.0.0.1:80",
        ] {
            url(refused).unwrap_err();
        }
        parse(b"Listening on http://127.0.0.1:80\n").unwrap_err();
    }
}
