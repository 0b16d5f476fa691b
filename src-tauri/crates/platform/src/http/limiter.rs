//! Rate limits: the counting, and the global limiter (10 §1.3 as leave it).

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use molecule_model::Timestamp;

use crate::{AppError, Config, auth::Caller};

const WINDOW: i64 = 60;
const DEFAULT: u32 = 600;
/// Buckets kept at most; more than that many callers a minute do not exist on a laptop.
const MOST_BUCKETS: usize = 10_000;

/// Fixed windows, each from its key's first hit.
pub struct Windows<K> {
    seconds: i64,
    counts: Mutex<HashMap<K, (Timestamp, u32)>>,
}

impl<K: Eq + Hash> Windows<K> {
    /// Windows of so many seconds.
    #[must_use]
    pub fn new(seconds: i64) -> Self {
        Self { seconds, counts: Mutex::default() }
    }

    /// Counts a request of `key`, of which a window takes `limit`.
    ///
    /// # Errors
    /// It is over the limit.
    pub fn take(&self, key: K, limit: u32, now: Timestamp) -> Result<Allowance, Allowance> {
        let Ok(mut counts) = self.counts.lock() else { return Ok(Allowance::Unlimited) };
        if counts.len() >= MOST_BUCKETS {
            counts.retain(|_, (since, _)| (0..self.seconds).contains(&now.seconds_since(*since)));
        }
        let (since, count) = counts.entry(key).or_insert((now, 0));
        // A window that lies ahead was opened by a clock that was set back since.
        if !(0..self.seconds).contains(&now.seconds_since(*since)) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let reset = (self.seconds - now.seconds_since(*since)).max(1);
        let allowance = Allowance::Limited { limit, remaining: limit.saturating_sub(*count), reset };
        if *count > limit { Err(allowance) } else { Ok(allowance) }
    }
}

/// The global limiter, by caller.
pub struct Limiter(Windows<String>);

impl Default for Limiter {
    fn default() -> Self {
        Self(Windows::new(WINDOW))
    }
}

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Not limited.
    Unlimited,
    /// Limited.
    Limited {
        /// Requests a window.
        limit: u32,
        /// Left after this one.
        remaining: u32,
        /// Whole seconds until the window ends.
        reset: i64,
    },
}

impl Limiter {
    /// Counts a request. `None` in the second place: it is over the limit.
    pub fn take(&self, config: &Config, caller: &Caller, now: Timestamp) -> Result<Allowance, (Allowance, AppError)> {
        let valid = !matches!(caller, Caller::Anonymous | Caller::Unknown);
        let limit = match config.rate_limit {
            Some(limit) => limit,
            None if valid || config.development => return Ok(Allowance::Unlimited),
            None => DEFAULT,
        };
        let key = if valid { format!("{caller:?}") } else { "anonymous".to_owned() };
        self.0.take(key, limit, now).map_err(|over| (over, over.refusal("rate limit exceeded")))
    }
}

impl Allowance {
    /// 429, with the seconds until the window ends.
    #[must_use]
    pub fn refusal(self, text: &'static str) -> AppError {
        let seconds = match self {
            Self::Unlimited => 1,
            Self::Limited { reset, .. } => u64::try_from(reset).unwrap_or(1),
        };
        AppError::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(seconds, true)
    }

    /// Writes the headers.
    pub fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Unlimited => {
                headers.insert("x-ratelimit-limit", HeaderValue::from_static("unlimited"));
            }
            Self::Limited { limit, remaining, reset } => {
                headers.insert("x-ratelimit-limit", HeaderValue::from(limit));
                headers.insert("x-ratelimit-remaining", HeaderValue::from(remaining));
                headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
            }
        }
    }
}
