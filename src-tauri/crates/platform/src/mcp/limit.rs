//! 120 calls a minute for each credential, in development too (10 §1.3, R-33).

use axum::http::{HeaderMap, header};
use molecule_model::Timestamp;
use molecule_store::tokens::Hash;

use crate::{
    AppError,
    auth::{Capability, hash},
    http::limiter::{Allowance, Windows},
};

const A_MINUTE: u32 = 120;
const WINDOW: i64 = 60;

/// The calls of the current minute, by the hash of the credential.
pub struct Limit(Windows<Hash>);

impl Default for Limit {
    fn default() -> Self {
        Self(Windows::new(WINDOW))
    }
}

impl Limit {
    /// Counts a call.
    ///
    /// # Errors
    /// 401 without a credential, 429 over the limit, with the headers that go with it.
    pub(super) fn take(
        &self,
        headers: &HeaderMap,
        capability: Option<&Capability>,
        now: Timestamp,
    ) -> Result<Allowance, (Option<Allowance>, AppError)> {
        let shown = bearer(headers).or_else(|| capability.map(Capability::expose));
        let shown = shown.ok_or_else(|| (None, AppError::unauthorized("missing bearer token")))?;
        self.0.take(hash(shown), A_MINUTE, now).map_err(|over| (Some(over), over.refusal("MCP rate limit exceeded")))
    }
}

/// The limiter's own reading of `Authorization`: any case of the word, nothing trimmed; of several lines the first.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    const WORD: &str = "Bearer ";
    let line = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (word, token) = line.split_at_checked(WORD.len())?;
    (word.eq_ignore_ascii_case(WORD) && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
    use molecule_model::Timestamp;

    use super::{Allowance, Capability, Limit, bearer};

    fn headers(line: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(line))])
    }

    #[test]
    fn the_word_in_any_case_and_the_rest_as_it_is() {
        for (line, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("BEARER  abc", Some(" abc")),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(&headers(line)), token, "{line:?}");
        }
    }

    #[test]
    fn each_credential_has_its_own_minute() {
        let limit = Limit::default();
        let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
        let (a, capability) = (headers("Bearer a"), Capability::new("c"));
        for left in (0..120).rev() {
            let allowance = limit.take(&a, None, at(1)).ok();
            assert_eq!(allowance, Some(Allowance::Limited { limit: 120, remaining: left, reset: 60 }));
        }
        let (over, error) = limit.take(&a, None, at(31)).unwrap_err();
        assert_eq!(over, Some(Allowance::Limited { limit: 120, remaining: 0, reset: 30 }));
        assert_eq!((error.status(), error.text()), (StatusCode::TOO_MANY_REQUESTS, "MCP rate limit exceeded"));
        assert_eq!(error.get("retry_after"), Some(&30.into()));
        // A bearer that is also there counts, else the base URL's credential does.
        assert!(limit.take(&a, Some(&capability), at(31)).is_err());
        assert!(limit.take(&HeaderMap::new(), Some(&capability), at(31)).is_ok());
        assert!(limit.take(&headers("bearer b"), None, at(31)).is_ok());
        assert!(limit.take(&a, None, at(61)).is_ok(), "the window ends 60 s after its first call");
        for _ in 1..120 {
            assert!(limit.take(&a, None, at(61)).is_ok());
        }
        assert!(limit.take(&a, None, at(61)).is_err());
        assert!(limit.take(&a, None, at(61 - 7_200)).is_ok(), "a clock that was set back locks nobody out");
        let (headers, error) = limit.take(&HeaderMap::new(), None, at(61)).unwrap_err();
        assert_eq!((headers, error.status(), error.text()), (None, StatusCode::UNAUTHORIZED, "missing bearer token"));
    }
}
