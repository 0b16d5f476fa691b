//! Requests byte by byte, for what no HTTP client would send.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// The head and body of an answer as they came.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends `request` to the port and reads the head of the answer, and its body where the connection ends
/// with it or a length is given. No answer at all has the status 0.
pub fn send(port: u16, request: impl AsRef<[u8]>) -> RawAnswer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may refuse and close before it has read everything.
    drop(stream.write_all(request.as_ref()));
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 16 * 1024];
    loop {
        if let Some(answer) = parse(&bytes)
            && is_whole(&answer)
        {
            return answer;
        }
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => break,
        }
    }
    parse(&bytes).unwrap_or(RawAnswer { status: 0, head: String::new(), body: bytes })
}

fn parse(bytes: &[u8]) -> Option<RawAnswer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(RawAnswer { status, head, body: bytes[end + 4..].to_vec() })
}

fn is_whole(answer: &RawAnswer) -> bool {
    let length = answer.header("content-length").and_then(|text| text.parse::<usize>().ok());
    let endless = answer.header("content-type").is_some_and(|kind| kind == "text/event-stream");
    answer.status == 101 || endless || length.is_some_and(|length| answer.body.len() >= length)
}

/// What an HTTP/1.1 client asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub target: String,
    pub lines: Vec<String>,
}

impl Ask {
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), lines: Vec::new() }
    }

    /// The first half of a WebSocket handshake.
    pub fn upgrade(target: impl Into<String>, bearer: &str) -> Self {
        Self::get(target)
            .line("Upgrade: websocket")
            .line("Sec-WebSocket-Version: 13")
            .line("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
            .line(format!("Sec-WebSocket-Protocol: molecule.bearer.{bearer}"))
            .line("Connection: Upgrade")
    }

    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.line(format!("Authorization: Bearer {token}"))
    }

    pub fn send(&self, port: u16) -> RawAnswer {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for line in &self.lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        if !self.lines.iter().any(|line| line.starts_with("Connection:")) {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        send(port, text)
    }
}
