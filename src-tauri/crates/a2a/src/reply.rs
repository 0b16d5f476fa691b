//! The text of requests and answers, for people and previews (40 §10.4).
//!
//! Agents put their words in several places and spell parts in several ways. Each function here is
//! one reader's rule, total over any JSON.

pub use molecule_model::preview::preview;
use serde_json::Value;

use crate::raw::Object;

/// The text of a JSON-RPC `result`: its parts, else those of its artifacts, else those of the
/// message of its status; text parts by `kind`, by `type` or, as v1 has them, by neither; joined by
/// newlines. `None` where it says nothing.
#[must_use]
pub fn text_of(result: &Value) -> Option<String> {
    // v1 wraps what it answers with; a bare result has no member of these names.
    let wrapped = ["message", "task"].iter().find_map(|name| result.get(name).filter(|inner| inner.is_object()));
    let result = wrapped.unwrap_or(result);
    message_text(result)
        .or_else(|| join(artifact_parts(result).filter_map(part_text)))
        .or_else(|| message_text(result.get("status")?.get("message")?))
        .or_else(|| result.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
}

/// The text of the message that a request carries, its text parts joined by newlines (R-78).
#[must_use]
pub fn request_text(envelope: &Value) -> Option<String> {
    message_text(envelope.get("params")?.get("message")?)
}

/// The text of a message: its parts, else its v0.2 `content`.
#[must_use]
pub fn message_text(message: &Value) -> Option<String> {
    join(parts(message).filter_map(part_text)).or_else(|| match message.get("content")? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(parts) => join(parts.iter().filter_map(part_text)),
        _ => None,
    })
}

/// What a delegation got as its answer (10 §11.2): the parts of `kind` text in `result.parts`, else
/// in the artifacts; else the body as it is. Before that last resort we also read what v1 and task
/// agents say. All parts count and not the first alone, as in 40 §10.4: an agent that streams has one
/// for every piece, and the rest of its answer would be lost.
#[must_use]
pub fn delegation_text(body: &[u8]) -> String {
    fn of_kind(part: &Value) -> Option<&str> {
        (part.get("kind")? == "text").then(|| part.get("text")?.as_str())?
    }
    let read = || {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let result = answer.get("result").filter(|result| result.is_object())?;
        join(parts(result).filter_map(of_kind)).or_else(|| join(artifact_parts(result).filter_map(of_kind))).or_else(
            || ["message", "task", "status"].iter().any(|name| result.get(name).is_some()).then(|| text_of(result))?,
        )
    };
    read().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// What an MCP tool gives back (10 §16.3, O-19): `[error] …` for an error object, else the texts of the
/// artifacts, of a wrapped message, of the parts or of the status; else the result as compact JSON,
/// else the body as it is. Every part counts, as in [`delegation_text`].
#[must_use]
pub fn mcp_text(body: &[u8]) -> String {
    let read = || {
        let answer: Value = serde_json::from_slice(body).ok()?;
        if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
            return Some(format!("[error] {message}"));
        }
        let result = answer.get("result")?;
        join(artifact_parts(result).filter_map(part_text))
            .or_else(|| join(parts(result.get("message")?).filter_map(part_text)))
            .or_else(|| text_of(result))
            .or_else(|| Some(result.to_string()))
    };
    read().unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
}

/// The `error` of a body, where it is a string (10 §9.9, S141). Never fails on anything else.
#[must_use]
pub fn error_text(body: &[u8]) -> Option<String> {
    let body = Object::parse(std::str::from_utf8(body).ok()?)?;
    Some(body.string("error")?.into_owned())
}

/// The text of one part, where it is a text part that says something.
fn part_text(part: &Value) -> Option<&str> {
    let named = |name| part.get(name).and_then(Value::as_str);
    let is_text = match (named("kind"), named("type")) {
        (None, None) => true,
        (kind, type_) => kind == Some("text") || type_ == Some("text"),
    };
    named("text").filter(|text| is_text && !text.is_empty())
}

fn parts(holder: &Value) -> impl Iterator<Item = &Value> {
    holder.get("parts").and_then(Value::as_array).into_iter().flatten()
}

fn artifact_parts(result: &Value) -> impl Iterator<Item = &Value> {
    result.get("artifacts").and_then(Value::as_array).into_iter().flatten().flat_map(parts)
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let texts: Vec<_> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{delegation_text, error_text, mcp_text, request_text, text_of};

    fn texts(result: Value) -> Option<String> {
        text_of(&result)
    }

    #[test]
    fn parts_then_artifacts_then_status() {
        let parts =
            json!([{"kind": "text", "text": "p1"}, {"type": "text", "text": "p2"}, {"kind": "data", "data": {}}]);
        let artifacts = json!([{"parts": [{"text": "a1"}]}, {"parts": [{"kind": "text", "text": "a2"}]}]);
        let status = json!({"state": "completed", "message": {"parts": [{"type": "text", "text": "s"}]}});
        assert_eq!(texts(json!({"parts": parts, "artifacts": artifacts, "status": status})).as_deref(), Some("p1\np2"));
        assert_eq!(texts(json!({"artifacts": artifacts, "status": status})).as_deref(), Some("a1\na2"));
        assert_eq!(texts(json!({"parts": [], "status": status})).as_deref(), Some("s"));
    }

    #[test]
    fn v1_wrappers_and_lenient_shapes() {
        assert_eq!(texts(json!({"message": {"parts": [{"text": "m"}]}})).as_deref(), Some("m"));
        assert_eq!(texts(json!({"task": {"artifacts": [{"parts": [{"text": "t"}]}]}})).as_deref(), Some("t"));
        assert_eq!(
            texts(json!({"status": "completed", "artifacts": [{"parts": [{"text": "x"}]}]})).as_deref(),
            Some("x")
        );
        assert_eq!(texts(json!({"task": "t-1", "parts": [{"text": "x"}]})).as_deref(), Some("x"));
        assert_eq!(texts(json!("plain")).as_deref(), Some("plain"));
        assert_eq!(texts(json!({"role": "agent", "content": "old"})).as_deref(), Some("old"));
    }

    #[test]
    fn nothing_said_is_none() {
        for result in [
            json!(null),
            json!(""),
            json!([]),
            json!(7),
            json!({}),
            json!({"parts": "x"}),
            json!({"parts": [{"kind": "text"}, {"kind": "text", "text": 4}, {"kind": "text", "text": ""}, 1, null]}),
            json!({"parts": [{"kind": "file", "text": "no"}]}),
            json!({"status": {"message": null}, "artifacts": {"parts": 1}}),
        ] {
            assert_eq!(text_of(&result), None, "{result}");
        }
    }

    #[test]
    fn s11_2_delegation_reads_every_part_of_kind_text() {
        let text = |body: Value| delegation_text(body.to_string().as_bytes());
        let two = json!([{"kind": "data"}, {"kind": "text", "text": "one"}, {"kind": "text", "text": "two"}]);
        assert_eq!(text(json!({"result": {"parts": two}})), "one\ntwo");
        assert_eq!(text(json!({"result": {"artifacts": [{}, {"parts": two}]}})), "one\ntwo");
        let typed = json!({"result": {"parts": [{"type": "text", "text": "unseen"}]}});
        assert_eq!(text(typed.clone()), typed.to_string());
        assert_eq!(text(json!({"result": "word"})), r#"{"result":"word"}"#);
        assert_eq!(text(json!({"result": {"message": {"parts": [{"text": "v1"}]}}})), "v1");
        assert_eq!(delegation_text(b"not json \xff"), "not json \u{fffd}");
    }

    #[test]
    fn s16_3_mcp_reads_errors_artifacts_messages_and_parts() {
        let text = |body: Value| mcp_text(body.to_string().as_bytes());
        assert_eq!(text(json!({"error": {"code": 1, "message": "no"}, "result": 1})), "[error] no");
        assert_eq!(text(json!({"result": {"artifacts": [{"parts": [{"text": "a"}]}], "parts": [{"text": "p"}]}})), "a");
        let pieces = json!([{"parts": [{"text": "a"}, {"text": "b"}]}, {"parts": [{"text": "c"}]}]);
        assert_eq!(text(json!({"result": {"artifacts": pieces}})), "a\nb\nc");
        assert_eq!(text(json!({"result": {"message": {"parts": [{"text": "m"}]}}})), "m");
        assert_eq!(text(json!({"result": {"parts": [{"kind": "text", "text": "p"}]}})), "p");
        assert_eq!(text(json!({"result": {"x": 1}})), r#"{"x":1}"#);
        assert_eq!(text(json!({"queued": true})), r#"{"queued":true}"#);
        assert_eq!(mcp_text(b""), "");
    }

    #[test]
    fn s141_the_error_of_a_body_is_a_string_or_nothing() {
        assert_eq!(error_text(br#"{"error":"b\u00fcsy"}"#).as_deref(), Some("b\u{fc}sy"));
        for body in [&b"{\"error\":{\"message\":\"x\"}}"[..], b"{}", b"[]", b"", b"\xff", b"{\"error\":null}"] {
            assert_eq!(error_text(body), None);
        }
    }

    #[test]
    fn r78_text_of_a_request() {
        let request =
            json!({"params": {"message": {"parts": [{"kind": "text", "text": "a"}, {"type": "text", "text": "b"}]}}});
        assert_eq!(request_text(&request).as_deref(), Some("a\nb"));
        assert_eq!(request_text(&json!({"params": null})), None);
        assert_eq!(request_text(&json!({"params": {"message": {"content": "v0.2"}}})).as_deref(), Some("v0.2"));
    }
}
