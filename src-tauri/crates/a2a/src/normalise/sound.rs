//! One walk over a body that proves it sound and keeps nothing of it.
//!
//! What is handed on as text was only skipped over when it was taken apart. This walk reads
//! everything once, so that what we forward and store can be read by everybody: numbers in range,
//! escapes complete, nesting bounded.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::NormaliseError;

/// The deepest nesting of lists and objects that is accepted. Below the 128 of our own parser, so
/// that a stored body can be read again inside an event.
pub const MAX_DEPTH: usize = 100;

/// What the whole body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Null,
    Other,
}

/// Proves `text` to be one JSON value that everybody can read.
pub(super) fn check(text: &str) -> Result<Kind, NormaliseError> {
    let too_deep = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_str(text);
    Level { left: MAX_DEPTH, too_deep: &too_deep }
        .deserialize(&mut reader)
        .and_then(|kind| reader.end().map(|()| kind))
        .map_err(|_| if too_deep.get() { NormaliseError::TooDeep } else { NormaliseError::InvalidJson })
}

/// A value that may hold `left` more levels.
#[derive(Clone, Copy)]
struct Level<'c> {
    left: usize,
    too_deep: &'c Cell<bool>,
}

impl Level<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => {
                self.too_deep.set(true);
                Err(E::custom("too deep"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let inner = self.inner()?;
        while list.next_element_seed(inner)?.is_some() {}
        Ok(Kind::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let inner = self.inner()?;
        // A key is a value without levels.
        while map.next_key_seed(inner)?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(Kind::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, MAX_DEPTH, NormaliseError, check};

    #[test]
    fn the_kind_of_the_whole_is_told() {
        assert_eq!(check(r#" {"a":[1,2.5,-3,true,null,"x\n"]} "#), Ok(Kind::Object));
        assert_eq!(check("null"), Ok(Kind::Null));
        for text in ["[]", "1", "\"x\"", "true"] {
            assert_eq!(check(text), Ok(Kind::Other), "{text}");
        }
    }

    #[test]
    fn unsound_json_is_refused_wherever_it_is() {
        for text in
            ["", " ", "{", "{}{}", "{}x", "{\"a\":01}", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}"]
        {
            assert_eq!(check(text), Err(NormaliseError::InvalidJson), "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_at_the_named_level() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(Kind::Other));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(NormaliseError::TooDeep));
        assert_eq!(check(&"[".repeat(1_000_000)), Err(NormaliseError::TooDeep));
        assert_eq!(check(&"{\"a\":".repeat(1_000_000)), Err(NormaliseError::TooDeep));
    }
}
