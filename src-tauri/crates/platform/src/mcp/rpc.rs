//! JSON-RPC as 10 §16.1 fixes it: one request a call, HTTP 200 for all that can be decoded.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use molecule_model::WorkspaceId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use utoipa::ToSchema;

use super::{call, tools};
use crate::App;

const PARSE_ERROR: i32 = -32_700;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;
/// A tool failed, or there is none of that name.
const TOOL_FAILED: i32 = -32_000;

/// What a client sends. Its `jsonrpc` is not looked at.
#[derive(Deserialize, ToSchema)]
pub(super) struct Request {
    /// A string, a number or nothing; given back as it is.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    id: Option<Box<RawValue>>,
    /// `initialize`, `notifications/initialized`, `tools/list` or `tools/call`.
    #[serde(default)]
    method: String,
    /// Of `tools/call`: `name` and `arguments`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    params: Option<Box<RawValue>>,
}

/// What goes back; a notification gets neither `result` nor `error`.
#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    code: i32,
    message: String,
}

/// The parameters of `tools/call`.
#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

/// Answers one request about workspace `id`.
pub async fn answer(app: &App, id: &str, body: &[u8]) -> Response {
    let request = match decode::<Request>(body) {
        Ok(request) => request,
        Err(why) => {
            let error = Refusal { code: PARSE_ERROR, message: format!("parse error: {why}") };
            return send(StatusCode::BAD_REQUEST, None, Err(error));
        }
    };
    let result = match request.method.as_str() {
        "initialize" => Ok(Some(json!({
            "protocolVersion": "2024-11-05",
            "capabilities": {"tools": {"listChanged": false}},
            "serverInfo": {"name": "molecule-a2a", "version": "1.0.0"},
        }))),
        "notifications/initialized" => Ok(None),
        "tools/list" => Ok(Some(json!({"tools": tools::list(app.config.mcp_send_message)}))),
        "tools/call" => called(app, id, request.params.as_deref()).await.map(Some),
        other => Err(Refusal { code: METHOD_NOT_FOUND, message: format!("method not found: {other}") }),
    };
    send(StatusCode::OK, request.id.as_deref(), result)
}

async fn called(app: &App, id: &str, params: Option<&RawValue>) -> Result<Value, Refusal> {
    let invalid = |why: String| Refusal { code: INVALID_PARAMS, message: format!("invalid params: {why}") };
    let params = params.ok_or_else(|| invalid("tools/call needs name and arguments".into()))?;
    let call = decode::<Call>(params.get().as_bytes()).map_err(invalid)?;
    let failed = |message| Refusal { code: TOOL_FAILED, message };
    let me = WorkspaceId::parse_loose(id).ok_or_else(|| failed("workspace not found".into()))?;
    let arguments = call.arguments.unwrap_or_default();
    let text = call::run(app, me, &call.name, &arguments).await.map_err(failed)?;
    Ok(json!({"content": [{"type": "text", "text": text}]}))
}

/// An object. A list would pass for one whose fields it gives in order.
fn decode<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, String> {
    match text.trim_ascii_start().first() {
        Some(b'[') => Err("one object is taken, not a list".into()),
        _ => serde_json::from_slice(text).map_err(|error| error.to_string()),
    }
}

fn send(status: StatusCode, id: Option<&RawValue>, result: Result<Option<Value>, Refusal>) -> Response {
    let (result, error) = match result {
        Ok(result) => (result, None),
        Err(error) => (None, Some(error)),
    };
    let answer = Answer { jsonrpc: "2.0", id, result, error };
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    // Text, numbers and what was parsed already: it cannot fail.
    let body = serde_json::to_string(&answer).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}
