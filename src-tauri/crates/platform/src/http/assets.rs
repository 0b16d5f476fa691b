//! The canvas: files from the binary.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

use super::security::CANVAS_POLICY;
use crate::Config;

/// The file behind `path`, if it is one of the canvas. Hashed names under `assets/` may be kept for ever.
#[must_use]
pub fn serve(config: &Config, path: &str) -> Option<Response<Body>> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let asset = (config.assets)(name)?;
    let mut response = Response::new(Body::from(asset.bytes.into_owned()));
    let headers = response.headers_mut();
    let mime = HeaderValue::from_str(&asset.mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, mime);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CANVAS_POLICY));
    let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Some(response)
}

/// The answer to an unknown path (10 §1): 404 in plain text.
#[must_use]
pub fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("404 page not found"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
