//! Why a message is refused, and what the caller is told (O-7, S128).

use serde_json::{Map, Value};

use crate::jsonrpc::INVALID_PARAMS;

/// Each is answered with status 400 and [`NormaliseError::body`]; nothing is dispatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormaliseError {
    /// Not JSON, not UTF-8, empty, cut off, or JSON that is no object.
    #[error("invalid JSON")]
    InvalidJson,
    /// JSON whose nesting would cost somebody a stack.
    #[error("invalid JSON: nested deeper than {} levels", super::MAX_DEPTH)]
    TooDeep,
    /// A message with neither `parts` nor `content`.
    #[error(
        "params.message.parts is missing: send a list of parts, or the v0.2 field params.message.content as a string or a list"
    )]
    PartsMissing,
    /// A v0.2 `content` that cannot become parts; holds the JSON type that it has.
    #[error(
        "params.message.parts is missing and params.message.content cannot stand for it: content must be a string or a list, not {0}"
    )]
    ContentUnsupported(&'static str),
}

impl NormaliseError {
    /// The JSON-RPC error code that goes with the text; a body that is no JSON has none.
    #[must_use]
    pub const fn code(self) -> Option<i64> {
        match self {
            Self::InvalidJson | Self::TooDeep => None,
            Self::PartsMissing | Self::ContentUnsupported(_) => Some(INVALID_PARAMS),
        }
    }

    /// The body of the answer: `{"error": text}`, with `"code"` where there is one. `error` is a
    /// string because internal callers read it as one (O-7).
    #[must_use]
    pub fn body(self) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), Value::String(self.to_string()));
        if let Some(code) = self.code() {
            body.insert("code".to_owned(), code.into());
        }
        Value::Object(body)
    }
}
