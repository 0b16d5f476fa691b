//! The one place where the agent reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use molecule_model::Timestamp;

/// This moment, as it is written on the wire.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
