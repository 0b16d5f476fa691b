//! What a caller is told when something is refused.
//!
//! Three kinds: a refusal that the caller can act on (its text says what would be accepted), a state that
//! passes (503, with `Retry-After` where known), and a failure of ours (500, one canned text). The cause
//! of the last goes to the log and never into the body (S065).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// A refusal with its status, canned text and machine-readable extras.
#[derive(Debug)]
pub struct AppError {
    status: StatusCode,
    body: Map<String, Value>,
    retry_after: Option<u64>,
}

/// What handlers and services return.
pub type AppResult<T> = Result<T, AppError>;

impl AppError {
    /// A refusal with the contract's text.
    #[must_use]
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("error".into(), Value::String(text.into()));
        Self { status, body, retry_after: None }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 401.
    #[must_use]
    pub fn unauthorized(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// 403.
    #[must_use]
    pub fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// 404.
    #[must_use]
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 409.
    #[must_use]
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }

    /// 500 with a canned text; `cause` goes to the log.
    #[must_use]
    pub fn internal(text: &'static str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(answer = text, cause = %cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// 503 with the code that screens know (10 §2.4).
    #[must_use]
    pub fn datastore(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "the database could not be read");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "platform datastore unavailable — retry shortly")
            .code("platform_unavailable")
    }

    /// A row about a workspace that could not be written: 404 where there is no such workspace, 507 where the disk is
    /// full, else 500 with a canned text.
    #[must_use]
    pub fn unwritten(text: &'static str, error: molecule_store::Error) -> Self {
        match error {
            molecule_store::Error::Full => error.into(),
            error if error.names_nobody() => Self::not_found("workspace not found"),
            error => Self::internal(text, &error),
        }
    }

    /// Adds the stable code.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        self.with("code", json!(code))
    }

    /// Adds a key beside `error`.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.body.insert(key.into(), value);
        self
    }

    /// Adds the header and, where `in_body`, the key `retry_after` (seconds).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64, in_body: bool) -> Self {
        self.retry_after = Some(seconds);
        if in_body { self.with("retry_after", json!(seconds)) } else { self }
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its canned text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.body.get("error").and_then(Value::as_str).unwrap_or_default()
    }

    /// A key of its body.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.body.get(key)
    }

    /// A refusal whose body is exactly `body`.
    #[must_use]
    pub const fn from_body(status: StatusCode, body: Map<String, Value>) -> Self {
        Self { status, body, retry_after: None }
    }
}

/// A database failure that no handler gave a text of its own: the one shape of 10 §2.4 (S072).
impl From<molecule_store::Error> for AppError {
    fn from(error: molecule_store::Error) -> Self {
        match error {
            molecule_store::Error::Full => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "the disk is full: free some space and try again")
                    .code("disk_full")
            }
            other => Self::datastore(&other),
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Value::Object(self.body))).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
