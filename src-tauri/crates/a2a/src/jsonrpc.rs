//! JSON-RPC 2.0 as A2A uses it: requests, responses, and the error codes of 40 §10.2.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The body is no JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The method's parameters do not fit.
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// The agent failed; the first code that JSON-RPC leaves to implementations.
pub const AGENT_ERROR: i64 = -32000;
/// No such task.
pub const TASK_NOT_FOUND: i64 = -32001;
/// The task has ended, or cannot be stopped.
pub const TASK_NOT_CANCELABLE: i64 = -32002;
/// The agent sends no push notifications.
pub const PUSH_NOT_SUPPORTED: i64 = -32003;
/// The agent does not do that.
pub const UNSUPPORTED_OPERATION: i64 = -32004;
/// A part is of a kind that the agent does not read.
pub const CONTENT_TYPE_NOT_SUPPORTED: i64 = -32005;
/// The agent answered what it should not.
pub const INVALID_AGENT_RESPONSE: i64 = -32006;
/// The agent does not speak the version of the request (v1).
pub const VERSION_NOT_SUPPORTED: i64 = -32009;

/// The only value that `jsonrpc` has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwoPointZero;

impl Serialize for TwoPointZero {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("2.0")
    }
}

impl<'de> Deserialize<'de> for TwoPointZero {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "2.0" => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("jsonrpc must be \"2.0\", not {other:?}"))),
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Always `2.0`.
    pub jsonrpc: TwoPointZero,
    /// A string or a number; `null` where the caller wants no answer.
    #[serde(default)]
    pub id: Value,
    /// The method's name.
    pub method: String,
    /// Its parameters; `null` where there are none.
    #[serde(default)]
    pub params: Value,
}

impl Request {
    /// A request of this id, method and parameters.
    #[must_use]
    pub fn new(id: impl Into<Value>, method: impl Into<String>, params: Value) -> Self {
        Self { jsonrpc: TwoPointZero, id: id.into(), method: method.into(), params }
    }
}

/// One response: a result or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Always `2.0`.
    pub jsonrpc: TwoPointZero,
    /// The request's id; `null` where it could not be read.
    #[serde(default)]
    pub id: Value,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was answered.
    Result(Value),
    /// It was not.
    Error(RpcError),
}

impl Response {
    /// The answer to the request of this id.
    #[must_use]
    pub const fn result(id: Value, result: Value) -> Self {
        Self { jsonrpc: TwoPointZero, id, outcome: Outcome::Result(result) }
    }

    /// The refusal of the request of this id.
    #[must_use]
    pub const fn error(id: Value, error: RpcError) -> Self {
        Self { jsonrpc: TwoPointZero, id, outcome: Outcome::Error(error) }
    }
}

/// The `error` member. A2A answers it with HTTP status 200 (40 §10.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// One of the codes of this module, or the agent's own.
    #[serde(default)]
    pub code: i64,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// Whatever else the agent says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Members that JSON-RPC does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl RpcError {
    /// An error of this code and sentence.
    #[must_use]
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None, extra: Map::new() }
    }

    /// The same with `data`.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The body is no JSON.
    #[must_use]
    pub fn parse() -> Self {
        Self::new(PARSE_ERROR, "the body is not valid JSON")
    }

    /// JSON, but no request; `why` names what is wrong.
    #[must_use]
    pub fn invalid_request(why: &str) -> Self {
        Self::new(INVALID_REQUEST, format!("invalid request: {why}"))
    }

    /// No such method.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("method not found: {method}"))
    }

    /// The parameters do not fit; `why` names the field.
    #[must_use]
    pub fn invalid_params(why: &str) -> Self {
        Self::new(INVALID_PARAMS, format!("invalid params: {why}"))
    }

    /// The server failed; nothing of the cause is told.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(INTERNAL_ERROR, "internal error")
    }

    /// No task of this id.
    #[must_use]
    pub fn task_not_found(id: &str) -> Self {
        Self::new(TASK_NOT_FOUND, format!("task not found: {id}"))
    }

    /// The task has ended already.
    #[must_use]
    pub fn task_not_cancelable(id: &str) -> Self {
        Self::new(TASK_NOT_CANCELABLE, format!("task cannot be canceled: {id}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Request, Response, RpcError};

    #[test]
    fn shapes_of_requests_and_responses() {
        let request = Request::new("r1", "tasks/get", json!({"id": "t1"}));
        insta::assert_snapshot!(serde_json::to_string(&request).unwrap(),
            @r#"{"jsonrpc":"2.0","id":"r1","method":"tasks/get","params":{"id":"t1"}}"#);
        let answer = Response::result(json!(7), json!({"ok": true}));
        insta::assert_snapshot!(serde_json::to_string(&answer).unwrap(),
            @r#"{"jsonrpc":"2.0","id":7,"result":{"ok":true}}"#);
        let refusal = Response::error(Value::Null, RpcError::method_not_found("x").with_data(json!([1])));
        insta::assert_snapshot!(serde_json::to_string(&refusal).unwrap(),
            @r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"method not found: x","data":[1]}}"#);
        for response in [answer, refusal] {
            let text = serde_json::to_string(&response).unwrap();
            assert_eq!(serde_json::from_str::<Response>(&text).unwrap(), response);
        }
    }

    #[test]
    fn another_protocol_is_no_request() {
        assert!(serde_json::from_value::<Request>(json!({"jsonrpc": "1.0", "method": "x"})).is_err());
        assert!(serde_json::from_value::<Request>(json!({"method": "x"})).is_err());
        assert!(serde_json::from_value::<Request>(json!({"jsonrpc": "2.0", "method": "x"})).is_ok());
    }
}
