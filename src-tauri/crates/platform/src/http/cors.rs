//! Origins: who may call from a browser.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};

use crate::endpoint::Endpoint;

const METHODS: &str = "GET,POST,PUT,PATCH,DELETE,OPTIONS";
const HEADERS: &str = "Origin,Content-Type,Authorization,X-Workspace-ID,X-Timeout,A2A-Version,X-Molecule-Org-Slug";
const EXPOSED: &str = "Retry-After";
/// The window's own page where it is not served by us.
const WINDOW: [&str; 3] = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];

/// What the `Origin` of a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No `Origin`, or our own.
    Own,
    /// One that is listed: allowed, with CORS headers that name it.
    Listed(HeaderValue),
    /// Anything else.
    Foreign,
}

/// Judges the origins of a request. `base_path` is `/as/<capability>` where the request came with one.
pub fn judge(headers: &HeaderMap, endpoint: &Endpoint, listed: &[String], base_path: Option<&str>) -> Verdict {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(value), rest) = (origins.next(), origins.next()) else { return Verdict::Own };
    let (Ok(origin), None) = (value.to_str(), rest) else { return Verdict::Foreign };
    let authority = origin.strip_prefix("http://").unwrap_or_default();
    let own_base = base_path.and_then(|path| authority.strip_suffix(path));
    if endpoint.is_own(authority) || own_base.is_some_and(|host| endpoint.is_own(host)) {
        return Verdict::Own;
    }
    let known = listed.iter().any(|entry| entry == "*" || entry == origin) || WINDOW.contains(&origin);
    if known { Verdict::Listed(value.clone()) } else { Verdict::Foreign }
}

/// Whether a browser says that a page of another origin made this request, though it sent no `Origin`
/// (an image, a script, a plain GET). A link that a person follows is a navigation and is fine, except under
/// a capability (`strictly`), where no page has any business.
pub fn made_elsewhere(headers: &HeaderMap, strictly: bool) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    !headers.contains_key(header::ORIGIN)
        && matches!(text("sec-fetch-site"), "cross-site" | "same-site")
        && (strictly || text("sec-fetch-mode") != "navigate")
}

/// Whether this is a preflight.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// 204 to a preflight of a listed origin, on any path.
pub fn preflight(origin: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow(response.headers_mut(), origin);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    response
}

/// The headers of every reply to a listed origin, errors included.
pub fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Verdict, judge};
    use crate::endpoint::Endpoint;

    fn verdict(origin: &str, listed: &[&str], base: Option<&str>) -> Verdict {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        let listed: Vec<String> = listed.iter().map(|s| (*s).to_owned()).collect();
        judge(&headers, &Endpoint { port: 8080 }, &listed, base)
    }

    #[test]
    fn s1_origins() {
        assert_eq!(judge(&HeaderMap::new(), &Endpoint { port: 8080 }, &[], None), Verdict::Own);
        for own in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"] {
            assert_eq!(verdict(own, &[], None), Verdict::Own, "{own}");
        }
        for foreign in [
            "null",
            "",
            "http://127.0.0.1:8081",
            "https://127.0.0.1:8080",
            "http://127.0.0.1",
            "http://evil.example",
            "http://localhost:8080.evil.example",
            "http://evil.example:8080",
            "http://localhost:8080/",
            "http://LOCALHOST.evil:8080",
            "file://",
            "http://2130706433:8080",
            "http://127.1:8080",
            "http://127.0.0.1:8080@evil.example",
            "chrome-extension://abc",
            "http://127.0.0.1:8080/as/x",
        ] {
            assert_eq!(verdict(foreign, &[], None), Verdict::Foreign, "{foreign}");
        }
        assert!(matches!(verdict("http://localhost:3000", &["http://localhost:3000"], None), Verdict::Listed(_)));
        assert!(matches!(verdict("tauri://localhost", &[], None), Verdict::Listed(_)));
        assert_eq!(verdict("http://127.0.0.1:8080/as/cap", &[], Some("/as/cap")), Verdict::Own);
    }

    #[test]
    fn s1_r5_a_list_lets_in_whom_it_names_and_a_star_everybody() {
        let listed = ["https://one.example", "http://two.example:3000"];
        for origin in listed {
            assert_eq!(verdict(origin, &listed, None), Verdict::Listed(HeaderValue::from_static(origin)));
        }
        for other in ["https://three.example", "http://one.example", "https://one.example:443", "*", "null", ""] {
            assert_eq!(verdict(other, &listed, None), Verdict::Foreign, "{other:?}");
            assert!(matches!(verdict(other, &["*"], None), Verdict::Listed(_)), "{other:?}");
        }
    }

    #[test]
    fn s1_two_origins_are_none_of_ours() {
        let mut headers = HeaderMap::new();
        headers.append(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:8080"));
        headers.append(header::ORIGIN, HeaderValue::from_static("http://evil.example"));
        assert_eq!(judge(&headers, &Endpoint { port: 8080 }, &[], None), Verdict::Foreign);
    }
}
