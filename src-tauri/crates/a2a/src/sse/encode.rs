//! Events out.

use bytes::Bytes;

/// What an answer that is a stream says it is. Without parameters, as libraries expect.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// An event with this data: one `data:` line for each of its lines, and the blank line.
#[must_use]
pub fn data(data: &str) -> Bytes {
    lines("data: ", data)
}

/// A comment, which readers skip: it keeps a silent connection open.
#[must_use]
pub fn comment(text: &str) -> Bytes {
    lines(": ", text)
}

fn lines(field: &str, text: &str) -> Bytes {
    let mut out = String::with_capacity(field.len() + text.len() + 2);
    let mut rest = text;
    loop {
        let (line, after) = match rest.find(['\n', '\r']) {
            None => (rest, None),
            Some(end) if rest[end..].starts_with("\r\n") => (&rest[..end], Some(&rest[end + 2..])),
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        };
        out.push_str(field);
        out.push_str(line);
        out.push('\n');
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    out.push('\n');
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::{comment, data};

    #[test]
    fn each_line_gets_its_field() {
        assert_eq!(data(r#"{"a":1}"#), "data: {\"a\":1}\n\n");
        assert_eq!(data("a\nb\r\nc\rd\n"), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
        assert_eq!(data(""), "data: \n\n");
        assert_eq!(comment("ping"), ": ping\n\n");
    }
}
