//! The `kind` of each object: written always, read as whatever it is.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident = $text:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Self)
            }
        }
    )*};
}

kinds! {
    /// `message`
    MessageKind = "message";
    /// `task`
    TaskKind = "task";
    /// `status-update`
    StatusUpdateKind = "status-update";
    /// `artifact-update`
    ArtifactUpdateKind = "artifact-update";
}
