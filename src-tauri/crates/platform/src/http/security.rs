//! Security headers (10 §1.4); a handler may set its own.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

const FIXED: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
    (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

const API: [&str; 15] = [
    "/workspaces",
    "/registry",
    "/health",
    "/admin",
    "/metrics",
    "/settings",
    "/bundles",
    "/org",
    "/orgs",
    "/templates",
    "/plugins",
    "/webhooks",
    "/channels",
    "/ws",
    "/events",
];
const API_TOO: &str = "/approvals";

const API_POLICY: &str = "default-src 'self'";
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data: blob:; connect-src 'self' ws: wss:; font-src 'self' data:";
/// The policy of our own pages: no inline scripts, no eval, no other host.
pub const CANVAS_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                                 img-src 'self' data: blob:; connect-src 'self'; font-src 'self' data:; \
                                 object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Whether a path belongs to the API as 10 §1.4 lists it.
pub fn is_api(path: &str) -> bool {
    API.into_iter()
        .chain([API_TOO])
        .any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Adds what is missing.
pub fn apply(headers: &mut HeaderMap, path: &str) {
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let policy = if is_api(path) { API_POLICY } else { PAGE_POLICY };
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
}
