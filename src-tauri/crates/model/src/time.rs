//! Time stamps: RFC 3339, UTC, `Z`, exactly six fractional digits, so that text order is time order.

use std::{fmt, str::FromStr};

use jiff::{Timestamp as Instant, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment with microsecond precision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved by `seconds` (negative: earlier).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Whole seconds from `earlier` to this moment; negative when `earlier` lies later.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0) / 1_000_000
    }

    /// The UTC midnight that this moment's day began with.
    #[must_use]
    pub const fn utc_midnight(self) -> Self {
        Self(self.0 - self.0.rem_euclid(86_400_000_000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Out of range cannot come from a clock; show the epoch rather than fail to print.
        let instant = Instant::from_microsecond(self.0).unwrap_or(Instant::UNIX_EPOCH);
        let t = Offset::UTC.to_datetime(instant);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.subsec_nanosecond() / 1_000
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("not an RFC 3339 time")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    /// Any RFC 3339 spelling with an offset; stored as UTC.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<Instant>().map(|t| Self(t.as_microsecond())).map_err(|_| NotATime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    proptest::proptest! {
        #[test]
        fn text_order_is_time_order_and_text_round_trips(a in 0i64..4_102_444_800_000_000, b in 0i64..4_102_444_800_000_000) {
            let (x, y) = (Timestamp::from_micros(a), Timestamp::from_micros(b));
            proptest::prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
            proptest::prop_assert_eq!(x.to_string().len(), 27);
            proptest::prop_assert_eq!(x.to_string().parse::<Timestamp>().unwrap(), x);
        }
    }

    #[test]
    fn offsets_become_utc() {
        let t: Timestamp = "2026-05-02T11:14:03.120417+02:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-05-02T09:14:03.120417Z");
        assert_eq!(t.utc_midnight().to_string(), "2026-05-02T00:00:00.000000Z");
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("2026-05-02T11:14:03".parse::<Timestamp>().is_err());
    }
}
