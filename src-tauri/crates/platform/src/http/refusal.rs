//! Refusals that a handler never saw: a path or a query that does not decode. They become the one error
//! shape of 10 §1 like every other.

use axum::{
    body::{Body, to_bytes},
    http::{Response, StatusCode, header},
    response::IntoResponse,
};

use crate::AppError;

/// Longest text of a refusal, bytes.
const LONGEST: usize = 4 * 1024;

/// A refusal in plain text as `{"error": text}`; every other answer as it is.
pub async fn as_json(response: Response<Body>) -> Response<Body> {
    let refused = matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !refused || !kind.is_some_and(|kind| kind.starts_with("text/plain")) {
        return response;
    }
    let status = response.status();
    let text = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
    AppError::new(status, String::from_utf8_lossy(&text)).into_response()
}
