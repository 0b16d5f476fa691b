//! `params.message`: its id, its role and its parts (10 §9.3, R-68).

use serde_json::value::RawValue;

use super::{NormaliseError, named};
use crate::{
    method::dialect_of,
    raw::{Object, push_string},
    version::Dialect,
};

/// A message and what it lacks.
pub(super) struct Message<'a> {
    object: Object<'a>,
    dialect: Dialect,
    /// The id that it gets; `None` where it has one, even an empty one.
    new_id: Option<String>,
    lacks_role: bool,
    content: Content<'a>,
}

/// Where the parts come from.
enum Content<'a> {
    /// They are there.
    Parts,
    /// The v0.2 `content` was a list: it is the parts.
    List(&'a RawValue),
    /// The v0.2 `content` was a string: it becomes one text part.
    Text(&'a RawValue),
}

impl<'a> Message<'a> {
    /// Finds out what the message lacks.
    ///
    /// # Errors
    /// It has neither parts nor anything that can become parts.
    pub(super) fn read(
        object: Object<'a>,
        method: &str,
        ids: &mut dyn FnMut() -> String,
    ) -> Result<Self, NormaliseError> {
        let content = Content::of(&object)?;
        Ok(Self {
            new_id: (!object.has("messageId")).then(ids),
            lacks_role: !object.has("role"),
            dialect: dialect_of(method).unwrap_or(Dialect::V03),
            content,
            object,
        })
    }

    /// Whether its text is no longer what is forwarded.
    pub(super) fn edited(&self) -> bool {
        self.new_id.is_some() || self.lacks_role || self.object.repeated || !matches!(self.content, Content::Parts)
    }

    /// The idempotency key: a non-empty string (S148).
    pub(super) fn id(self) -> Option<String> {
        self.new_id.or_else(|| named(self.object.get("messageId")?))
    }

    /// Writes the message with what it lacked: `parts` where `content` was, the rest at the end.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        let mut first = true;
        for (key, raw) in self.object.iter() {
            separate(out, &mut first);
            if key == "content" && !matches!(self.content, Content::Parts) {
                self.content.write(out, self.dialect);
            } else {
                push_string(out, key);
                out.push(':');
                out.push_str(raw.get());
            }
        }
        if self.lacks_role {
            separate(out, &mut first);
            out.push_str(match self.dialect {
                Dialect::V03 => r#""role":"user""#,
                Dialect::V1 => r#""role":"ROLE_USER""#,
            });
        }
        if let Some(id) = &self.new_id {
            separate(out, &mut first);
            out.push_str(r#""messageId":"#);
            push_string(out, id);
        }
        out.push('}');
    }
}

impl<'a> Content<'a> {
    fn of(message: &Object<'a>) -> Result<Self, NormaliseError> {
        if message.has("parts") {
            return Ok(Self::Parts);
        }
        let content = message.get("content").ok_or(NormaliseError::PartsMissing)?;
        let unsupported = |kind| Err(NormaliseError::ContentUnsupported(kind));
        match content.get().as_bytes().first() {
            Some(b'"') => Ok(Self::Text(content)),
            Some(b'[') => Ok(Self::List(content)),
            Some(b'{') => unsupported("an object"),
            Some(b't' | b'f') => unsupported("a boolean"),
            Some(b'n') => unsupported("null"),
            _ => unsupported("a number"),
        }
    }

    fn write(&self, out: &mut String, dialect: Dialect) {
        match self {
            Self::Parts => {}
            Self::List(list) => {
                out.push_str(r#""parts":"#);
                out.push_str(list.get());
            }
            Self::Text(text) => {
                out.push_str(match dialect {
                    Dialect::V03 => r#""parts":[{"kind":"text","text":"#,
                    Dialect::V1 => r#""parts":[{"text":"#,
                });
                out.push_str(text.get());
                out.push_str("}]");
            }
        }
    }
}

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}
