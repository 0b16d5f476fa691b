//! The global rate limiter (10 §1.3 as leave it).

use std::{collections::HashMap, sync::Mutex};

use axum::http::{HeaderMap, HeaderValue};
use molecule_model::Timestamp;

use crate::{AppError, Config, auth::Caller};

const WINDOW: i64 = 60;
const DEFAULT: u32 = 600;
/// Buckets kept at most; more than that many callers a minute do not exist on a laptop.
const MOST_BUCKETS: usize = 10_000;

/// Counters of the current windows, by caller.
#[derive(Default)]
pub struct Limiter(Mutex<HashMap<String, (Timestamp, u32)>>);

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
        let Ok(mut buckets) = self.0.lock() else { return Ok(Allowance::Unlimited) };
        if buckets.len() >= MOST_BUCKETS {
            buckets.retain(|_, (since, _)| now.seconds_since(*since) < WINDOW);
        }
        let (since, count) = buckets.entry(key).or_insert((now, 0));
        if now.seconds_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        let reset = (WINDOW - now.seconds_since(*since)).max(1);
        let allowance = Allowance::Limited { limit, remaining: limit.saturating_sub(*count), reset };
        if *count > limit {
            let seconds = u64::try_from(reset).unwrap_or(1);
            let error = AppError::new(axum::http::StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded")
                .retry_after(seconds, true);
            return Err((allowance, error));
        }
        Ok(allowance)
    }
}

impl Allowance {
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
