//! The command line's way to the running server: `endpoint.json` and `admin.token` in the data directory.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use serde_json::Value;

/// A server that runs on this data directory.
pub struct Remote {
    port: u16,
    token: String,
}

impl Remote {
    /// The running server.
    pub fn find(home: &Path) -> anyhow::Result<Self> {
        let missing = "Molecule is not running on this data directory: start it with `molecule serve`";
        let published: Value = serde_json::from_slice(&std::fs::read(home.join("endpoint.json")).context(missing)?)?;
        let port = published["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context(missing)?;
        let token = std::fs::read_to_string(home.join("admin.token")).context(missing)?;
        Ok(Self { port, token: token.trim().to_owned() })
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        self.call("GET", "/health", None).is_ok()
    }

    /// One request as the person; the answer's JSON, or its error text.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let mut stream = TcpStream::connect(address).context("Molecule does not answer; is it still running?")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            port = self.port,
            token = self.token,
            length = body.len(),
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("Molecule's answer was cut off")?;
        let status: u16 = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        if !(200..300).contains(&status) {
            bail!("{} ({status})", value["error"].as_str().unwrap_or("refused"));
        }
        Ok(value)
    }
}
