//! Request bodies: limited, and refused with a reason (R-46, 10 §1).

use axum::{
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use crate::AppError;

/// Largest body of an ordinary route, bytes.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// Largest A2A message, bytes (10 §9).
pub const A2A_LIMIT: usize = 1024 * 1024;

/// A whole body.
#[derive(Debug)]
pub struct Bytes(pub axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Bytes {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        axum::body::Bytes::from_request(request, state).await.map(Self).map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(inner) if inner.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "request body too large").code("body_too_large")
            }
            _ => AppError::bad_request("failed to read request body"),
        })
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
