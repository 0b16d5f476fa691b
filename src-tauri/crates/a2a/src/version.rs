//! The two dialects that agents speak, and the set of them that a card declares.

/// The header by which a v1 caller names its version (40 §10.1). v0.3 has none.
pub const VERSION_HEADER: &str = "A2A-Version";

/// A family of wire shapes. v0.2 counts as v0.3: the normaliser turns its messages into v0.3 ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `message/send`, parts with a `kind`, states in lower case. What this product speaks itself.
    V03,
    /// `SendMessage`, parts without a discriminator, states as `TASK_STATE_…`.
    V1,
}

impl Dialect {
    /// Reads a version as cards and the header write it: `0.3.0`, `0.2.6`, `1`, `1.0`, `v1.1`.
    /// A version of neither family is `None`.
    #[must_use]
    pub fn parse(version: &str) -> Option<Self> {
        let version = version.trim();
        let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
        match version.split('.').next() {
            Some("0") => Some(Self::V03),
            Some("1") => Some(Self::V1),
            _ => None,
        }
    }

    /// The version as a card writes it.
    #[must_use]
    pub const fn card_version(self) -> &'static str {
        match self {
            Self::V03 => "0.3.0",
            Self::V1 => "1.0",
        }
    }

    /// What [`VERSION_HEADER`] says in a request of this dialect; v0.3 requests carry no such header.
    #[must_use]
    pub const fn header(self) -> Option<&'static str> {
        match self {
            Self::V03 => None,
            Self::V1 => Some("1.0"),
        }
    }
}

/// The versions that a card declares, as far as they matter to JSON-RPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The card lists a version of the v0.x family.
    pub v03: bool,
    /// The card lists a version of the v1.x family.
    pub v1: bool,
}

impl Versions {
    /// Whether the card lists this one.
    #[must_use]
    pub const fn contains(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::V03 => self.v03,
            Dialect::V1 => self.v1,
        }
    }

    /// The dialect to translate a request of `caller` into, or `None` where it passes as it is:
    /// the card declares nothing, or lists the caller's own version.
    #[must_use]
    pub const fn translation_for(self, caller: Dialect) -> Option<Dialect> {
        match (caller, self.v03, self.v1) {
            (Dialect::V03, false, true) => Some(Dialect::V1),
            (Dialect::V1, true, false) => Some(Dialect::V03),
            _ => None,
        }
    }

    pub(crate) fn add(&mut self, version: &str) {
        match Dialect::parse(version) {
            Some(Dialect::V03) => self.v03 = true,
            Some(Dialect::V1) => self.v1 = true,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Versions};

    #[test]
    fn versions_are_read_as_cards_write_them() {
        for text in ["0.3.0", "0.3", "0.2.6", " v0.3 "] {
            assert_eq!(Dialect::parse(text), Some(Dialect::V03), "{text}");
        }
        for text in ["1", "1.0", "1.0.0", "V1.2"] {
            assert_eq!(Dialect::parse(text), Some(Dialect::V1), "{text}");
        }
        for text in ["", "2.0", "10.0", "01.0", "latest", "."] {
            assert_eq!(Dialect::parse(text), None, "{text}");
        }
    }

    #[test]
    fn r68_translation_only_where_the_card_lists_others_and_not_the_callers() {
        let versions = |v03, v1| Versions { v03, v1 };
        assert_eq!(versions(false, false).translation_for(Dialect::V03), None);
        assert_eq!(versions(false, false).translation_for(Dialect::V1), None);
        assert_eq!(versions(true, true).translation_for(Dialect::V03), None);
        assert_eq!(versions(true, true).translation_for(Dialect::V1), None);
        assert_eq!(versions(true, false).translation_for(Dialect::V03), None);
        assert_eq!(versions(false, true).translation_for(Dialect::V1), None);
        assert_eq!(versions(false, true).translation_for(Dialect::V03), Some(Dialect::V1));
        assert_eq!(versions(true, false).translation_for(Dialect::V1), Some(Dialect::V03));
    }
}
