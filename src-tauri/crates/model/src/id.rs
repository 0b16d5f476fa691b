//! Identifiers.

use std::{
    fmt,
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a workspace: a UUID, always shown in lower case with hyphens (R-2, 20 §0).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Uuid)]
pub struct WorkspaceId(Uuid);

impl WorkspaceId {
    /// A fresh random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Accepts any spelling of a UUID: upper case, braces, `urn:uuid:`, no hyphens (20 §0, "loose").
    #[must_use]
    pub fn parse_loose(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(Self)
    }

    /// Accepts only the canonical spelling: lower case, hyphens (20 §0, "strict").
    #[must_use]
    pub fn parse_strict(text: &str) -> Option<Self> {
        let id = Self::parse_loose(text)?;
        let mut buffer = [0; 36];
        (*id.0.hyphenated().encode_lower(&mut buffer) == *text).then_some(id)
    }

    /// The first twelve characters, as container names carry them (20 §7.6).
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for WorkspaceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A fresh UUID v4 as text, for rows that need no type of their own.
#[must_use]
pub fn fresh() -> String {
    Uuid::new_v4().hyphenated().to_string()
}

/// A fresh UUID v4 in form, for rows of append-only tables: ids of one run follow each other, so that the index
/// over them grows at one end. With ids that are random throughout, every row of a commit dirties a page of its
/// own. 74 bits stay random.
#[must_use]
pub fn appended() -> String {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(Uuid::new_v4().as_u64_pair().0));
    // The upper 48 bits are the place; version and variant come from the random half.
    let place = NEXT.fetch_add(1 << 16, Ordering::Relaxed) & !0xffff;
    let (high, low) = Uuid::new_v4().as_u64_pair();
    Uuid::from_u64_pair(place | (high & 0xffff), low).hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::{WorkspaceId, appended};

    #[test]
    fn r2_appended_ids_are_v4_in_form_and_in_order() {
        let ids: Vec<String> = (0..1000).map(|_| appended()).collect();
        for id in &ids {
            let parsed = uuid::Uuid::parse_str(id).unwrap();
            assert_eq!((parsed.get_version_num(), parsed.get_variant()), (4, uuid::Variant::RFC4122), "{id}");
        }
        // In order but where the count wraps, which one run in 280 billion sees.
        assert!(ids.windows(2).filter(|pair| pair[0] >= pair[1]).count() <= 1);
    }

    #[test]
    fn strict_takes_only_the_canonical_spelling() {
        let canonical = "7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11";
        let parsed = WorkspaceId::parse_strict(canonical).unwrap();
        assert_eq!(parsed.to_string(), canonical);
        for other in [
            "7A7D8A52-6D0E-4F0C-9B39-0F9A2A3A6A11",
            "7a7d8a526d0e4f0c9b390f9a2a3a6a11",
            "{7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11}",
            "urn:uuid:7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11",
        ] {
            assert_eq!(WorkspaceId::parse_strict(other), None, "{other}");
            assert_eq!(WorkspaceId::parse_loose(other), Some(parsed), "{other}");
        }
        assert_eq!(WorkspaceId::parse_loose("not-an-id"), None);
    }
}
