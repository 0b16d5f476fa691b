//! Request bodies: limited, and refused with a reason (R-46, 10 §1).

use axum::{
    extract::{FromRequest, Request},
    http::StatusCode,
};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::AppError;

/// Largest body of an ordinary route, bytes.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// How much of a body that is too large is read before the connection is given up, bytes.
const DRAINED: usize = 64 * 1024 * 1024;
/// Deepest nesting of lists and objects in a body. What is stored is read again, and by others, whose readers give up
/// at some depth: one agent's card must not choke its peers.
const DEEPEST: usize = 100;
/// Largest A2A message, bytes (10 §9).
pub const A2A_LIMIT: usize = 1024 * 1024;

/// A whole body.
#[derive(Debug)]
pub struct Bytes(pub axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Bytes {
    type Rejection = AppError;

    /// Reads the whole body. One that is too large is read on for a while and thrown away, so that the client,
    /// still writing, comes to read why it was refused.
    async fn from_request(request: Request, _: &S) -> Result<Self, AppError> {
        let mut body = request.into_body();
        let (mut chunks, mut size) = (Vec::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| AppError::bad_request("failed to read request body"))?;
            let Ok(data) = frame.into_data() else { continue };
            size = size.saturating_add(data.len());
            if size <= LIMIT {
                chunks.push(data);
            } else if size > DRAINED {
                break;
            }
        }
        if size > LIMIT {
            return Err(AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "request body too large").code("body_too_large"));
        }
        Ok(Self(match chunks.len() {
            0 => axum::body::Bytes::new(),
            1 => chunks.swap_remove(0),
            _ => chunks.concat().into(),
        }))
    }
}

/// Free-form in the document: the routes that take it say more in `request_body`.
impl utoipa::PartialSchema for Bytes {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::empty().into()
    }
}

impl utoipa::ToSchema for Bytes {}

impl Bytes {
    /// The body as `T`; anything else is a 400 with this canned text.
    ///
    /// # Errors
    /// 400 `refusal`.
    pub fn json<T: DeserializeOwned>(&self, refusal: &'static str) -> Result<T, AppError> {
        // A list would pass for a structure whose fields it gives in order; no route means one.
        if self.0.trim_ascii_start().first() == Some(&b'[') {
            return Err(AppError::bad_request(refusal));
        }
        if is_too_deep(&self.0) {
            return Err(
                AppError::bad_request(refusal).with("reason", format!("nested deeper than {DEEPEST} levels").into())
            );
        }
        serde_json::from_slice(&self.0).map_err(|error| {
            tracing::debug!(line = error.line(), column = error.column(), category = ?error.classify(), "undecodable body");
            AppError::bad_request(refusal)
        })
    }

    /// The body as `T`, or its default where there is none or it does not decode.
    #[must_use]
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

/// Whether brackets outside of texts nest too deep; whether all else is right is not asked here.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, is_too_deep};

    #[test]
    fn only_brackets_outside_of_texts_count() {
        let nested = |depth: usize| format!("{}{}", "[{\"a\":".repeat(depth / 2), "}]".repeat(depth / 2));
        assert!(!is_too_deep(nested(DEEPEST).as_bytes()));
        assert!(is_too_deep(nested(DEEPEST + 2).as_bytes()));
        assert!(!is_too_deep(format!("\"{}\"", "[".repeat(1_000)).as_bytes()));
        assert!(!is_too_deep(format!("\"\\\"{}\"", "{".repeat(1_000)).as_bytes()));
        assert!(!is_too_deep("[]".repeat(1_000).as_bytes()));
    }
}
