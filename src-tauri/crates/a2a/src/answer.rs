//! What the platform keeps of an agent's answer beside its bytes: tokens and tools (10 §9.10).

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{jsonrpc::RpcError, raw::Object};

/// The most tokens that one call counts, for each direction (10 §9.10).
pub const MAX_TOKENS: u64 = 10_000_000;

/// The tokens of one answer. At least one of the two is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Read by the model.
    pub input_tokens: u64,
    /// Written by the model.
    pub output_tokens: u64,
}

/// A JSON-RPC answer, read one level deep and borrowed from the body: cheap for large ones.
pub struct Answer<'a> {
    body: Object<'a>,
    result: Option<Object<'a>>,
}

impl<'a> Answer<'a> {
    /// Reads the body; `None` where it is no JSON object.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let body = Object::parse(std::str::from_utf8(body).ok()?)?;
        let result = body.get("result").and_then(Object::of);
        Some(Self { body, result })
    }

    /// The `result` as text.
    #[must_use]
    pub fn result(&self) -> Option<&'a str> {
        self.body.get("result").map(RawValue::get)
    }

    /// The `error` member of a call that failed although HTTP says 200.
    #[must_use]
    pub fn error(&self) -> Option<RpcError> {
        serde_json::from_str(self.body.get("error")?.get()).ok()
    }

    /// `result.usage`, else the top-level `usage`; else where v1, whose messages have no such member,
    /// leaves it: in the metadata. `None` where both numbers are zero.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let at = |object: Option<&Object<'a>>| read_usage(object?.get("usage")?);
        at(self.result.as_ref()).or_else(|| at(Some(&self.body))).or_else(|| {
            self.speakers().find_map(|speaker| read_usage(Object::of(speaker.get("metadata")?)?.get("usage")?))
        })
    }

    /// `result.metadata.tool_trace` as JSON text, where it is there and not null.
    #[must_use]
    pub fn tool_trace(&self) -> Option<&'a str> {
        self.speakers().find_map(|speaker| {
            let trace = Object::of(speaker.get("metadata")?)?.get("tool_trace")?.get();
            (trace != "null").then_some(trace)
        })
    }

    /// The id of the task that the result is, or that v1 wraps in it.
    #[must_use]
    pub fn task_id(&self) -> Option<Cow<'a, str>> {
        let result = self.result.as_ref()?;
        let wrapped = result.get("task").and_then(Object::of);
        let task = wrapped.as_ref().unwrap_or(result);
        if task.has("status") { task.string("id") } else { None }
    }

    /// The result, what v1 wraps in it, and the message of a task's status: whoever has metadata.
    fn speakers(&self) -> impl Iterator<Item = Cow<'_, Object<'a>>> {
        let result = self.result.as_ref();
        let wrapped = move |name| result.and_then(|result| Object::of(result.get(name)?));
        let said = |task: &Object<'a>| Object::of(Object::of(task.get("status")?)?.get("message")?);
        let task = wrapped("task");
        let last = [result.and_then(said), task.as_ref().and_then(said)];
        let first = [result.map(Cow::Borrowed), wrapped("message").map(Cow::Owned), task.map(Cow::Owned)];
        first.into_iter().chain(last.map(|object| object.map(Cow::Owned))).flatten()
    }
}

/// [`Answer::usage`] of a body.
#[must_use]
pub fn usage_of(body: &[u8]) -> Option<Usage> {
    Answer::parse(body)?.usage()
}

/// [`Answer::tool_trace`] of a body, as JSON text.
#[must_use]
pub fn tool_trace_of(body: &[u8]) -> Option<String> {
    Answer::parse(body)?.tool_trace().map(str::to_owned)
}

fn read_usage(raw: &RawValue) -> Option<Usage> {
    let usage = Object::of(raw)?;
    let tokens = |name| usage.get(name).map_or(0, count);
    let usage = Usage { input_tokens: tokens("input_tokens"), output_tokens: tokens("output_tokens") };
    (usage.input_tokens > 0 || usage.output_tokens > 0).then_some(usage)
}

/// Negatives and what is no number count as zero, fractions are cut, more than the cap is the cap.
fn count(raw: &RawValue) -> u64 {
    serde_json::from_str::<f64>(raw.get()).map_or(0, |number| (number as u64).min(MAX_TOKENS))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Answer, MAX_TOKENS, Usage, tool_trace_of, usage_of};

    fn usage(body: Value) -> Option<(u64, u64)> {
        usage_of(body.to_string().as_bytes()).map(|usage: Usage| (usage.input_tokens, usage.output_tokens))
    }

    fn trace(body: Value) -> Option<String> {
        tool_trace_of(body.to_string().as_bytes())
    }

    #[test]
    fn usage_of_the_result_goes_before_the_top_level() {
        let both = json!({"result": {"usage": {"input_tokens": 1, "output_tokens": 2}}, "usage": {"input_tokens": 9}});
        assert_eq!(usage(both), Some((1, 2)));
        assert_eq!(usage(json!({"result": "x", "usage": {"output_tokens": 3}})), Some((0, 3)));
        assert_eq!(usage(json!({"result": {"message": {"metadata": {"usage": {"input_tokens": 4}}}}})), Some((4, 0)));
    }

    #[test]
    fn usage_is_capped_cut_and_never_negative() {
        let wild = json!({"usage": {"input_tokens": 1e12, "output_tokens": -5}});
        assert_eq!(usage(wild), Some((MAX_TOKENS, 0)));
        assert_eq!(usage(json!({"usage": {"input_tokens": 2.9, "output_tokens": "7"}})), Some((2, 0)));
        for nothing in
            [json!({"usage": {"input_tokens": 0, "output_tokens": 0}}), json!({"usage": null}), json!([]), json!({})]
        {
            assert_eq!(usage(nothing), None);
        }
    }

    #[test]
    fn the_tool_trace_is_found_where_the_speaker_is() {
        let of = json!({"tool_trace": [{"tool": "x"}]});
        let text = Some(r#"[{"tool":"x"}]"#.to_owned());
        assert_eq!(trace(json!({"result": {"metadata": of}})), text);
        assert_eq!(trace(json!({"result": {"message": {"metadata": of}}})), text);
        assert_eq!(trace(json!({"result": {"task": {"metadata": of}}})), text);
        assert_eq!(trace(json!({"result": {"status": {"message": {"metadata": of}}}})), text);
        assert_eq!(trace(json!({"result": {"metadata": {"tool_trace": null}}})), None);
        assert_eq!(trace(json!({"result": null, "metadata": of})), None);
    }

    #[test]
    fn errors_are_told_apart_from_results() {
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no key", "data": {"code": "x"}}})
                .to_string();
        let answer = Answer::parse(body.as_bytes()).unwrap();
        let error = answer.error().unwrap();
        assert_eq!((error.code, error.message.as_str()), (-32000, "no key"));
        assert_eq!(answer.result(), None);
        assert!(Answer::parse(br#"{"error":"text"}"#).unwrap().error().is_none());
        assert!(Answer::parse(b"<html>").is_none());
    }
}
