//! Bytes in, events out.

use super::Event;

/// An event, or one of its lines, is larger than the decoder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// Takes a stream apart, however it is cut. [`feed`](Self::feed) it, then ask for
/// [`next_event`](Self::next_event) until there is none; at the end of the stream ask
/// [`finish`](Self::finish).
///
/// Lines end with CR, LF or both; a byte-order mark at the start is skipped; broken UTF-8 becomes
/// U+FFFD. An event without data is dropped, as the standard has it.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where in the buffer the next line starts.
    start: usize,
    /// Up to where the buffer was searched for the end of that line.
    searched: usize,
    limit: usize,
    pending: Event,
    has_data: bool,
    /// The last line ended with CR: a LF that follows belongs to it.
    after_cr: bool,
    at_start: bool,
    overflowed: bool,
}

impl Decoder {
    /// A decoder that takes lines and events of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            limit,
            pending: Event::default(),
            has_data: false,
            after_cr: false,
            at_start: true,
            overflowed: false,
        }
    }

    /// Takes the next piece of the stream.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole event of what was fed.
    ///
    /// # Errors
    /// [`TooLarge`], and from then on always: where the next event would begin is not known any more.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLarge> {
        while !self.overflowed {
            let Some((line, next)) = self.line() else {
                self.overflowed = self.buffer.len() - self.start > self.limit;
                break;
            };
            let length = line.len();
            if length > self.limit || self.pending.data.len() + length > self.limit {
                self.overflowed = true;
                break;
            }
            let done = length == 0 && self.has_data;
            let line = String::from_utf8_lossy(&self.buffer[line]).into_owned();
            self.start = next;
            self.searched = next;
            if line.is_empty() {
                let event = std::mem::take(&mut self.pending);
                self.has_data = false;
                if done {
                    return Ok(Some(event));
                }
            } else {
                self.field(&line);
            }
        }
        if self.overflowed { Err(TooLarge(self.limit)) } else { Ok(None) }
    }

    /// The last event of a stream that ended without the blank line after it.
    #[must_use]
    pub fn finish(mut self) -> Option<Event> {
        // The end of the stream ends the line and the event.
        self.feed(b"\n\n");
        self.next_event().ok().flatten()
    }

    /// The next whole line and where the one after it starts.
    fn line(&mut self) -> Option<(std::ops::Range<usize>, usize)> {
        if self.at_start {
            const MARK: &[u8] = b"\xef\xbb\xbf";
            let seen = &self.buffer[self.start..];
            if seen.len() < MARK.len() && MARK.starts_with(seen) {
                return None;
            }
            if seen.starts_with(MARK) {
                self.start += MARK.len();
            }
            self.at_start = false;
            self.searched = self.start;
        }
        if self.after_cr {
            match self.buffer.get(self.start) {
                None => return None,
                Some(b'\n') => self.start += 1,
                Some(_) => {}
            }
            self.after_cr = false;
            self.searched = self.searched.max(self.start);
        }
        let found = self.buffer[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(found) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.after_cr = self.buffer[end] == b'\r';
        Some((self.start..end, end + 1))
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if self.has_data {
                    self.pending.data.push('\n');
                }
                self.pending.data.push_str(value);
                self.has_data = true;
            }
            "event" => self.pending.event = Some(value.to_owned()),
            "id" if !value.contains('\0') => self.pending.id = Some(value.to_owned()),
            "retry" => self.pending.retry = value.parse().ok(),
            // A comment, or a field of a later standard.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Event, TooLarge};

    fn decode(chunks: &[&[u8]]) -> Vec<Event> {
        let mut decoder = Decoder::new(1024);
        let mut events = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(event) = decoder.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(decoder.finish());
        events
    }

    fn data(chunks: &[&[u8]]) -> Vec<String> {
        decode(chunks).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn fields_of_an_event() {
        let event =
            Event { event: Some("update".into()), data: "a\nb\n".into(), id: Some("7".into()), retry: Some(1500) };
        assert_eq!(decode(&[b": hi\nevent: update\nid: 7\nretry: 1500\ndata: a\ndata:b\ndata\nfoo: bar\n\n"]), [event]);
    }

    #[test]
    fn one_space_after_the_colon_is_not_data() {
        assert_eq!(data(&[b"data:  two\n\ndata:\n\ndata: x:y\n\n"]), [" two", "", "x:y"]);
    }

    #[test]
    fn lines_end_with_cr_lf_or_both() {
        assert_eq!(data(&[b"data: a\r\n\r\ndata: b\r\rdata: c\n\n"]), ["a", "b", "c"]);
        assert_eq!(data(&[b"data: a\r", b"\n", b"\r", b"\ndata: b\r\n", b"\r\n"]), ["a", "b"]);
    }

    #[test]
    fn events_without_data_are_dropped() {
        assert_eq!(data(&[b"\n\nevent: x\n\n: ping\n\nid: 1\n\ndata: y\n\n"]), ["y"]);
    }

    #[test]
    fn characters_and_marks_may_be_cut_anywhere() {
        assert_eq!(data(&[b"\xef", b"\xbb\xbfdata: \xc3", b"\xa4\n\n"]), ["ä"]);
        assert_eq!(data(&[b"\xefdata: x\n\ndata: \xff\n\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn the_end_of_the_stream_ends_the_last_event() {
        assert_eq!(data(&[b"data: a\n\ndata: b"]), ["a", "b"]);
        assert_eq!(data(&[b"data: a\r"]), ["a"]);
        assert_eq!(data(&[b""]), [""; 0]);
        assert_eq!(data(&[b"event: x\n"]), [""; 0]);
    }

    #[test]
    fn a_line_or_an_event_over_the_limit_ends_it() {
        let feed = |bytes: &[u8]| {
            let mut decoder = Decoder::new(16);
            decoder.feed(bytes);
            std::iter::from_fn(|| decoder.next_event().transpose()).take(3).collect::<Vec<_>>()
        };
        let small = Event { data: "ok".into(), ..Event::default() };
        assert_eq!(feed(b"data: 0123456789\n\n"), [Ok(Event { data: "0123456789".into(), ..Event::default() })]);
        let over = [Ok(small), Err(TooLarge(16)), Err(TooLarge(16))];
        assert_eq!(feed(b"data: ok\n\ndata: 01234567890\n\n"), over);
        assert_eq!(feed(b"data: ok\n\ndata: never ends and"), over);
        assert_eq!(feed(b"data: ok\n\ndata: 12345678\ndata: 123\n\n"), over);
    }
}
