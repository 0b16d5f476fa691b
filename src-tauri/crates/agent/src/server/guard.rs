//! Who may speak to an agent's port at all.
//!
//! The platform and peers need no credential here (40 §9), so every page that a browser shows must be kept
//! out: a page sends `Origin` or `Sec-Fetch-*`, or, where it sends neither, cannot send JSON without asking
//! first; and a name that was re-pointed at this machine gives itself away in `Host`.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Lets programs through and pages not.
pub(super) async fn programs_only(request: Request, next: Next) -> Response {
    if is_page(request.headers()) || !is_loopback_name(request.headers()) {
        return refuse(StatusCode::FORBIDDEN, "an agent answers programs of this machine, not web pages");
    }
    if request.uri().path() == "/" && request.method() == Method::POST && !is_json(request.headers()) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
    }
    next.run(request).await
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}

/// `Host` is a name of loopback, whatever the port; absent is a program of its own making.
fn is_loopback_name(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    match (first.map(|host| host.to_str()), second) {
        (_, Some(_)) => false,
        (None, None) => true,
        (Some(Ok(host)), None) => {
            let name = match host.rsplit_once(':') {
                Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
                _ => host,
            };
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
        }
        (Some(Err(_)), None) => false,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn names_of_this_machine_and_others() {
        let own = ["127.0.0.1:4711", "localhost:1", "LOCALHOST", "[::1]:80", "127.0.0.1"];
        assert!(own.iter().all(|host| is_loopback_name(&headers(&[("host", host)]))));
        let foreign = [
            "evil.example",
            "127.0.0.1.evil.example:80",
            "127.0.0.1:80@evil.example",
            "0.0.0.0:1",
            "localhost.:1",
            "",
            "2130706433",
        ];
        for host in foreign {
            assert!(!is_loopback_name(&headers(&[("host", host)])), "{host}");
        }
        assert!(!is_loopback_name(&headers(&[("host", "localhost"), ("host", "localhost")])));
        assert!(is_loopback_name(&headers(&[])));
    }

    #[test]
    fn pages_and_programs() {
        for (name, value) in [
            ("origin", "http://127.0.0.1:9"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "no-cors"),
        ] {
            assert!(is_page(&headers(&[(name, value)])), "{name}");
        }
        assert!(!is_page(&headers(&[("user-agent", "curl")])));
        assert!(is_json(&headers(&[("content-type", "Application/JSON; charset=utf-8")])));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"] {
            assert!(!is_json(&headers(&[("content-type", kind)])), "{kind}");
        }
    }
}
