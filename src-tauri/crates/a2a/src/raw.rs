//! A JSON object whose values stay text.
//!
//! The proxy reads a handful of members of each message and must hand on all others as they came.
//! So an object is taken apart into names and slices of the body: nothing is copied, numbers keep
//! their digits, unknown members their spelling, and what is written again is written from slices.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of one JSON object in their order.
///
/// A repeated member of [`Object::KNOWN`] counts once, with its last value at its first place; other
/// repeated members are kept as they are, for whoever understands them.
#[derive(Clone)]
pub(crate) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// A known member was repeated, so the text does not say what the members say.
    pub(crate) repeated: bool,
}

impl<'a> Object<'a> {
    /// Members that this crate reads from raw objects, at whatever level.
    const KNOWN: [&'static str; 13] = [
        "jsonrpc",
        "id",
        "method",
        "params",
        "message",
        "metadata",
        "messageId",
        "role",
        "parts",
        "content",
        "expires_in_seconds",
        "result",
        "error",
    ];

    pub(crate) const fn empty() -> Self {
        Self { members: Vec::new(), repeated: false }
    }

    /// Takes `text` apart; `None` where it is no JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Takes the value apart; `None` where it is no object.
    pub(crate) fn of(value: &'a RawValue) -> Option<Self> {
        value.get().starts_with('{').then(|| Self::parse(value.get())).flatten()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The member as a string; `None` where it is absent or something else.
    pub(crate) fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        text_of(self.get(name)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(key, value)| (key.as_ref(), *value))
    }
}

/// The text of a JSON string; `None` for any other value.
pub(crate) fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    if !text.starts_with('"') {
        return None;
    }
    serde_json::from_str::<Text<'_>>(text).ok().map(|text| text.0)
}

/// Writes `text` as a JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // A string always serialises; `Display` of a `Value` is the infallible way to say so.
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object { members: Vec::with_capacity(8), repeated: false };
                while let Some(Text(key)) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    let earlier = Object::KNOWN
                        .contains(&key.as_ref())
                        .then(|| object.members.iter_mut().find(|(known, _)| *known == key))
                        .flatten();
                    match earlier {
                        Some(member) => {
                            member.1 = value;
                            object.repeated = true;
                        }
                        None => object.members.push((key, value)),
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A string that borrows where it can.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn members_keep_their_order_and_their_spelling() {
        let object = Object::parse(r#"{"b": 1.50 ,"a":{"x":1e2},"\u0069d":12345678901234567890123}"#).unwrap();
        let seen: Vec<_> = object.iter().map(|(key, value)| (key, value.get())).collect();
        assert_eq!(seen, [("b", "1.50"), ("a", r#"{"x":1e2}"#), ("id", "12345678901234567890123")]);
        assert!(!object.repeated);
    }

    #[test]
    fn the_last_of_a_repeated_known_member_counts() {
        let object = Object::parse(r#"{"id":1,"x":1,"method":"a","id":2,"x":2}"#).unwrap();
        assert_eq!(object.get("id").unwrap().get(), "2");
        assert!(object.repeated);
        assert_eq!(object.iter().count(), 4, "x is not ours to judge");
    }

    #[test]
    fn only_objects_are_objects() {
        for text in ["", "[]", "null", "\"{}\"", "{", "{}x", "{'a':1}"] {
            assert!(Object::parse(text).is_none(), "{text}");
        }
        assert!(Object::parse(" {} ").is_some());
    }
}
