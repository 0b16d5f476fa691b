//! The OpenAI-compatible side of the wire.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::model_stub::{Piece, Refusal, Reply, pieces};

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1, "model": "stub-model",
        "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        "usage": null,
    });
    format!("data: {chunk}\n\n")
}

pub(super) fn events(reply: &Reply) -> Vec<Piece> {
    let begin = chunk(&json!({"role": "assistant", "content": "", "refusal": null}), None);
    pieces(
        reply,
        begin,
        |text| chunk(&json!({"content": text}), None),
        calls,
        |tools| {
            let usage = json!({
                "id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1, "model": "stub-model",
                "choices": [], "usage": {"prompt_tokens": 25, "completion_tokens": 15, "total_tokens": 40},
            });
            chunk(&json!({}), Some(if tools { "tool_calls" } else { "stop" }))
                + &format!("data: {usage}\n\ndata: [DONE]\n\n")
        },
    )
}

fn calls(wanted: &[(String, Value)]) -> String {
    let mut out = String::new();
    for (index, (name, input)) in wanted.iter().enumerate() {
        out += &chunk(
            &json!({"tool_calls": [{
                "index": index, "id": format!("call_{}", uuid::Uuid::new_v4().simple()), "type": "function", "function": {"name": name, "arguments": ""},
            }]}),
            None,
        );
        let text = input.to_string();
        let middle = text.floor_char_boundary(text.len() / 2);
        for part in [&text[..middle], &text[middle..]] {
            out += &chunk(&json!({"tool_calls": [{"index": index, "function": {"arguments": part}}]}), None);
        }
    }
    out
}

fn error(status: u16, message: &str, kind: &str, code: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    (status, Json(body)).into_response()
}

pub(super) fn bad_request(message: &str) -> Response {
    error(400, message, "invalid_request_error", None)
}

pub(super) fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::WrongKey => error(
            401,
            "Incorrect API key provided: sk-no*****key. You can find your API key in your account.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        Refusal::Forbidden => {
            error(403, "Project does not have access to model `stub-model`", "invalid_request_error", None)
        }
        Refusal::RateLimited(after) => {
            let mut response = error(429, "Rate limit reached for requests", "requests", Some("rate_limit_exceeded"));
            if let Some(after) = after {
                response.headers_mut().insert("retry-after", after.into());
            }
            response
        }
        Refusal::OutOfQuota => error(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        Refusal::Overloaded => {
            error(503, "The engine is currently overloaded, please try again later", "server_error", None)
        }
        Refusal::ContextTooLong => error(
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "invalid_request_error",
            Some("context_length_exceeded"),
        ),
        Refusal::UnknownModel => error(
            404,
            "The model `none` does not exist or you do not have access to it.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
    }
}

/// What the real API would refuse.
pub(super) fn fault_of(body: &Value) -> Option<String> {
    if body["model"].as_str().is_none_or(str::is_empty) {
        return Some("you must provide a model parameter".into());
    }
    if body["stream"] != true {
        return Some("this stub only streams".into());
    }
    let messages = body["messages"].as_array().filter(|m| !m.is_empty())?;
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message["role"].as_str() {
            Some("tool") => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !open.iter().any(|each| each == id) {
                    return Some(format!(
                        "messages.[{at}]: messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
                    ));
                }
                open.retain(|each| each != id);
            }
            Some(_) if !open.is_empty() => {
                return Some("an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'".into());
            }
            Some("assistant") => {
                let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
                open = calls.iter().filter_map(|call| call["id"].as_str().map(str::to_owned)).collect();
            }
            Some("system" | "user" | "developer") => {}
            _ => return Some(format!("messages.[{at}].role: invalid")),
        }
    }
    None
}
