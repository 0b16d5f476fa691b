//! Reads a stream along: what goes on to the caller, and what its row will keep (R-19).
//!
//! Only whole events go on, each as soon as it is whole, so that a stream which breaks off leaves no half event in
//! the caller's parser. A stream that cannot be read, because one event is larger than any answer may be, goes on
//! as it comes and is not kept.

use bytes::{Bytes, BytesMut};
use molecule_a2a::{Collector, Dialect, sse, translate};
use serde_json::Value;

use super::dispatch::LARGEST_ANSWER;

/// The three ways to write the blank line that ends an event.
const BLANK_LINES: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];

/// One stream, read along.
pub struct Reader {
    decoder: sse::Decoder,
    collector: Collector,
    /// The caller's dialect, where the agent speaks another.
    back: Option<Dialect>,
    /// The beginning of an event whose end has not come.
    held: BytesMut,
    task: Option<String>,
    blind: bool,
}

impl Reader {
    /// Nothing read yet.
    #[must_use]
    pub fn new(back: Option<Dialect>) -> Self {
        Self {
            decoder: sse::Decoder::new(LARGEST_ANSWER),
            collector: Collector::new(LARGEST_ANSWER),
            back,
            held: BytesMut::new(),
            task: None,
            blind: false,
        }
    }

    /// Takes a piece and answers what goes on now, which may be nothing.
    #[must_use]
    pub fn take(&mut self, piece: Bytes) -> Bytes {
        if self.blind {
            return piece;
        }
        let translated = self.read(&piece);
        if self.blind {
            self.held.extend_from_slice(&piece);
            return self.held.split().freeze();
        }
        translated.unwrap_or_else(|| self.whole(piece))
    }

    /// The stream ended: what goes on of an event that lacks its blank line.
    #[must_use]
    pub fn end(&mut self) -> Bytes {
        if self.blind {
            return Bytes::new();
        }
        let translated = self.read(b"\n\n");
        translated.unwrap_or_else(|| self.held.split().freeze())
    }

    /// Whether the last event of the stream was seen, as far as can be told.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.blind || self.collector.is_complete()
    }

    /// The task that the stream names, once: so that a reloaded screen can stop it.
    #[must_use]
    pub fn new_task(&mut self) -> Option<String> {
        self.task.take()
    }

    /// The one answer, in the caller's dialect; empty where nothing came that says anything.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let Some(collected) = self.collector.finish() else { return Bytes::new() };
        let body = collected.body.to_string();
        Bytes::from(self.back.and_then(|dialect| translate::event(&body, dialect)).unwrap_or(body))
    }

    /// Reads the events that are whole now; where the caller speaks another dialect, answers them in it.
    fn read(&mut self, piece: &[u8]) -> Option<Bytes> {
        self.decoder.feed(piece);
        let mut out = String::new();
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => {
                    self.collector.push(&event.data);
                    self.task = task_of(&event.data).or(self.task.take());
                    if let Some(dialect) = self.back {
                        let data = translate::event(&event.data, dialect).unwrap_or(event.data);
                        write_event(&mut out, &data);
                    }
                }
                Ok(None) => return self.back.is_some().then(|| Bytes::from(out)),
                Err(too_large) => {
                    tracing::warn!(%too_large, "a stream cannot be read along");
                    self.blind = true;
                    return None;
                }
            }
        }
    }

    /// The bytes up to the end of the last whole event. An agent that sends one event a piece, as nearly all do,
    /// has its pieces handed on as they are.
    fn whole(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && BLANK_LINES.iter().any(|end| piece.ends_with(end)) {
            return piece;
        }
        // A blank line may lie across the two: three bytes are looked at again.
        let from = self.held.len().saturating_sub(3);
        self.held.extend_from_slice(&piece);
        match last_end(&self.held[from..]) {
            Some(end) => self.held.split_to(from + end).freeze(),
            None => Bytes::new(),
        }
    }
}

/// Where the last blank line ends.
fn last_end(bytes: &[u8]) -> Option<usize> {
    let ends = BLANK_LINES.iter().filter_map(|blank| {
        let at = bytes.windows(blank.len()).rposition(|window| window == *blank)?;
        Some(at + blank.len())
    });
    ends.max()
}

fn write_event(out: &mut String, data: &str) {
    for line in data.split('\n') {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
}

/// The id of the task that an event announces.
fn task_of(data: &str) -> Option<String> {
    // Nearly all events are words; only those that may be an announcement are parsed for it.
    if !data.contains("\"task\"") {
        return None;
    }
    let event: Value = serde_json::from_str(data).ok()?;
    let result = event.get("result")?;
    let task = result.get("task").or_else(|| (result.get("kind")? == "task").then_some(result))?;
    Some(task.get("id")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use molecule_a2a::Dialect;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{LARGEST_ANSWER, Reader};

    fn event(result: Value) -> String {
        format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": 1, "result": result}))
    }

    fn spoken() -> String {
        let chunk = |text: &str, append: bool| {
            json!({"kind": "artifact-update", "taskId": "t1", "append": append,
                "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": text}]}})
        };
        [
            event(json!({"kind": "task", "id": "t1", "status": {"state": "submitted"}})),
            ": a comment\n\n".to_owned(),
            event(chunk("größe ", false)),
            event(chunk("ist 12", true)),
            event(json!({"kind": "status-update", "taskId": "t1", "final": true, "status": {"state": "completed"}})),
        ]
        .concat()
    }

    fn run(pieces: &[&[u8]], back: Option<Dialect>) -> (Vec<Bytes>, Reader) {
        let mut reader = Reader::new(back);
        let mut out: Vec<Bytes> = pieces.iter().map(|piece| reader.take(Bytes::copy_from_slice(piece))).collect();
        out.push(reader.end());
        (out, reader)
    }

    proptest! {
        /// However a stream is cut, the same bytes go on, in whole events, and the same answer is kept.
        #[test]
        fn r19_cuts_change_nothing(cuts in proptest::collection::vec(0usize..700, 0..12), crlf in any::<bool>()) {
            let text = if crlf { spoken().replace('\n', "\r\n") } else { spoken() };
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let (out, mut reader) = run(&pieces, None);
            prop_assert_eq!(out.concat(), text.as_bytes());
            let blank: &[u8] = if crlf { b"\r\n\r\n" } else { b"\n\n" };
            for piece in out.iter().filter(|piece| !piece.is_empty()) {
                prop_assert!(piece.ends_with(blank));
            }
            prop_assert!(reader.is_complete());
            prop_assert_eq!(reader.new_task(), Some("t1".to_owned()));
            let kept: Value = serde_json::from_slice(&reader.finish()).unwrap();
            prop_assert_eq!(&kept["result"]["artifacts"][0]["parts"][0]["text"], "größe ist 12");
        }
    }

    #[test]
    fn half_an_event_does_not_go_on() {
        let mut reader = Reader::new(None);
        let whole = event(json!({"kind": "task", "id": "t1", "status": {"state": "working"}}));
        let sent = reader.take(Bytes::from(format!("{whole}data: {{\"half")));
        assert_eq!(sent, whole);
        assert!(!reader.is_complete());
    }

    #[test]
    fn the_last_event_may_lack_its_blank_line() {
        let message =
            json!({"kind": "message", "role": "agent", "messageId": "m", "parts": [{"kind": "text", "text": "hi"}]});
        let text = event(message);
        for back in [None, Some(Dialect::V1)] {
            let (out, reader) = run(&[text.trim_end().as_bytes()], back);
            assert!(out[0].is_empty() && !out[1].is_empty());
            assert!(reader.is_complete());
            let kept: Value = serde_json::from_slice(&reader.finish()).unwrap();
            let at = if back.is_some() { "/result/message/parts/0/text" } else { "/result/parts/0/text" };
            assert_eq!(kept.pointer(at).unwrap(), "hi");
        }
    }

    #[test]
    fn an_event_that_is_too_large_goes_on_unread_and_is_not_hoarded() {
        let mut reader = Reader::new(None);
        let first = Bytes::from("data: ".to_owned() + &"x".repeat(LARGEST_ANSWER / 2));
        assert!(reader.take(first.clone()).is_empty());
        let second = Bytes::from("x".repeat(LARGEST_ANSWER));
        assert_eq!(reader.take(second.clone()).len(), first.len() + second.len());
        assert_eq!(reader.take(second.clone()), second);
        assert!(reader.held.is_empty() && reader.end().is_empty() && reader.is_complete());
    }
}
