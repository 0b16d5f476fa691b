//! Anthropic's side of the wire.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::model_stub::{Piece, Refusal, Reply, pieces};

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The events of `reply`: text in block 0, tools in the blocks after it.
pub(super) fn events(reply: &Reply) -> Vec<Piece> {
    let begin = event(
        "message_start",
        &json!({"type": "message_start", "message": {
            "id": "msg_stub", "type": "message", "role": "assistant", "content": [], "model": "claude-stub",
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 25, "output_tokens": 1},
        }}),
    ) + &event(
        "content_block_start",
        &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ) + &event("ping", &json!({"type": "ping"}));
    let text = |text: &str| {
        event(
            "content_block_delta",
            &json!({
                "type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text},
            }),
        )
    };
    pieces(reply, begin, text, calls, |tools| {
        let stop = if tools { "tool_use" } else { "end_turn" };
        event("content_block_stop", &json!({"type": "content_block_stop", "index": 0}))
            + &event(
                "message_delta",
                &json!({
                    "type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 15},
                }),
            )
            + &event("message_stop", &json!({"type": "message_stop"}))
    })
}

fn calls(wanted: &[(String, Value)]) -> String {
    let mut out = String::new();
    for (at, (name, input)) in wanted.iter().enumerate() {
        let index = at + 1;
        out += &event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": index, "content_block": {
                "type": "tool_use", "id": format!("toolu_{}", uuid::Uuid::new_v4().simple()), "name": name, "input": {},
            }}),
        );
        let text = input.to_string();
        let middle = text.floor_char_boundary(text.len() / 2);
        for part in ["", &text[..middle], &text[middle..]] {
            out += &event(
                "content_block_delta",
                &json!({
                    "type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": part},
                }),
            );
        }
        out += &event("content_block_stop", &json!({"type": "content_block_stop", "index": index}));
    }
    out
}

fn error(status: u16, kind: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_stub"});
    (status, Json(body)).into_response()
}

pub(super) fn bad_request(message: &str) -> Response {
    error(400, "invalid_request_error", message)
}

pub(super) fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::WrongKey => error(401, "authentication_error", "invalid x-api-key"),
        Refusal::Forbidden => {
            error(403, "permission_error", "Your API key does not have permission to use the specified resource.")
        }
        Refusal::RateLimited(after) => {
            let mut response =
                error(429, "rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit.");
            if let Some(after) = after {
                response.headers_mut().insert("retry-after", after.into());
            }
            response
        }
        Refusal::OutOfQuota => bad_request(
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
        ),
        Refusal::Overloaded => error(529, "overloaded_error", "Overloaded"),
        Refusal::ContextTooLong => bad_request("prompt is too long: 208310 tokens > 200000 maximum"),
        Refusal::UnknownModel => error(404, "not_found_error", "model: claude-none"),
    }
}

/// What the real API would refuse.
pub(super) fn fault_of(headers: &HeaderMap, body: &Value) -> Option<String> {
    if headers.get("anthropic-version").is_none() {
        return Some("anthropic-version: header is required".into());
    }
    if body["max_tokens"].as_u64().is_none_or(|n| n == 0) {
        return Some("max_tokens: Field required".into());
    }
    if body["stream"] != true {
        return Some("this stub only streams".into());
    }
    let messages = body["messages"].as_array().filter(|m| !m.is_empty())?;
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let wanted = if at % 2 == 0 { "user" } else { "assistant" };
        if message["role"] != wanted {
            return Some("messages: roles must alternate between \"user\" and \"assistant\"".into());
        }
        let blocks = match &message["content"] {
            Value::String(text) if text.is_empty() => {
                return Some(format!("messages.{at}: all messages must have non-empty content"));
            }
            Value::Array(blocks) if blocks.is_empty() => {
                return Some(format!("messages.{at}: all messages must have non-empty content"));
            }
            Value::Array(blocks) => blocks.clone(),
            _ => Vec::new(),
        };
        if blocks.iter().any(|block| block["type"] == "text" && block["text"] == "") {
            return Some(format!("messages.{at}: text content blocks must be non-empty"));
        }
        let answered: Vec<&str> = blocks.iter().filter_map(|block| block["tool_use_id"].as_str()).collect();
        if open.iter().any(|id| !answered.contains(&id.as_str())) {
            return Some(format!(
                "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after"
            ));
        }
        open = blocks
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .filter_map(|block| block["id"].as_str().map(str::to_owned))
            .collect();
    }
    None
}
