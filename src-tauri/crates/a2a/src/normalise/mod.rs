//! The normaliser: what every message looks like before it is forwarded, queued or stored.
//!
//! The rules are 10 §9.3 with 40 §8.1 and R-68. This is the proxy's hot path, and most messages
//! need nothing, so a body that is right already is handed on byte for byte; one that needs
//! something is written once, from slices of itself. Hence numbers keep their digits, and members
//! that we do not know keep their place and spelling.
//!
//! Where JSON leaves room, this is decided here: nesting deeper than [`MAX_DEPTH`] is refused,
//! broken UTF-8 is not JSON, half of a surrogate pair becomes U+FFFD, and of a repeated member at
//! the three levels that we read (envelope, `params`, `message`) the last one counts and is the
//! only one forwarded.

mod error;
mod message;
mod sound;
mod surrogate;

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use crate::{
    method::{Method, dialect_of},
    raw::{Object, text_of},
    reply,
    version::Dialect,
};
pub use error::NormaliseError;
use message::Message;
pub use sound::MAX_DEPTH;

/// A request as it goes on, and what the pipeline needs to know about it.
#[derive(Clone)]
pub struct Normalised {
    /// What is forwarded, queued and stored: one JSON object in UTF-8.
    pub bytes: Bytes,
    /// The method as the caller spelled it; empty where it is absent or no string.
    pub method: String,
    /// `params.message.messageId`, where it is a non-empty string: the idempotency key (S148).
    pub message_id: Option<String>,
    /// `params.expires_in_seconds` where it is a number of at least one second (10 §9.8).
    pub expires_in_seconds: Option<u64>,
    /// The answer is a stream of events.
    pub streaming: bool,
    /// The envelope's `id`, `null` where there is none.
    pub request_id: Value,
    /// `params.metadata.parent_task_id`: the message whose turn caused this one (40 §10.5). A hint.
    pub parent_task_id: Option<String>,
}

impl Normalised {
    /// The dialect that the method's name belongs to; `None` for a method that neither has.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        dialect_of(&self.method)
    }

    /// The message's text parts, joined by newlines. Reads the body anew: not for the hot path.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        reply::request_text(&serde_json::from_slice(&self.bytes).ok()?)
    }

    /// The first `max` characters of [`Self::text`], with `...` where something was cut (O-27).
    #[must_use]
    pub fn preview(&self, max: usize) -> String {
        reply::preview(&self.text().unwrap_or_default(), max)
    }
}

impl fmt::Debug for Normalised {
    /// Without the body: it is what a person wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Normalised")
            .field("bytes", &self.bytes.len())
            .field("method", &self.method)
            .field("message_id", &self.message_id)
            .field("streaming", &self.streaming)
            .finish_non_exhaustive()
    }
}

/// Brings the body of a message into the shape that agents understand; `ids` makes the ids that are
/// missing (first the envelope's, then the message's).
///
/// # Errors
/// [`NormaliseError`], each of which is answered with 400 and its own body (O-7).
pub fn normalise(body: &[u8], ids: &mut dyn FnMut() -> String) -> Result<Normalised, NormaliseError> {
    let (text, kind) = readable(body)?;
    let envelope = match kind {
        sound::Kind::Object => Object::parse(&text).ok_or(NormaliseError::InvalidJson)?,
        sound::Kind::Null => Object::empty(),
        sound::Kind::Other => return Err(NormaliseError::InvalidJson),
    };
    let method = envelope.string("method").unwrap_or_default().into_owned();
    let wrapper = (!envelope.has("jsonrpc")).then(&mut *ids);

    let params = envelope.get("params").and_then(Object::of);
    let message = params.as_ref().and_then(|params| params.get("message")).and_then(Object::of);
    let message = message.map(|message| Message::read(message, &method, ids)).transpose()?;

    let edited = wrapper.is_some()
        || envelope.repeated
        || params.as_ref().is_some_and(|params| params.repeated)
        || message.as_ref().is_some_and(Message::edited)
        || matches!(text, Cow::Owned(_));
    let bytes = if edited {
        let mut out = String::with_capacity(text.len() + 192);
        write_envelope(&mut out, &envelope, wrapper.as_deref(), |out, raw| match &params {
            Some(params) => write_params(out, params, message.as_ref()),
            None => out.push_str(raw.get()),
        });
        Bytes::from(out)
    } else {
        Bytes::copy_from_slice(body)
    };

    let metadata = params.as_ref().and_then(|params| params.get("metadata")).and_then(Object::of);
    Ok(Normalised {
        bytes,
        streaming: Method::parse(&method).is_some_and(|(method, _)| method.streams()),
        message_id: message.and_then(|message| message.id()),
        expires_in_seconds: params.as_ref().and_then(|params| seconds(params.get("expires_in_seconds")?)),
        request_id: match wrapper {
            Some(id) => Value::String(id),
            None => envelope.get("id").and_then(|id| serde_json::from_str(id.get()).ok()).unwrap_or_default(),
        },
        parent_task_id: metadata.and_then(|metadata| named(metadata.get("parent_task_id")?)),
        method,
    })
}

/// Whether JSON that is kept as text can be read by everybody: nesting, numbers and escapes as [`normalise`] asks.
#[must_use]
pub fn is_sound(text: &str) -> bool {
    sound::check(text).is_ok()
}

/// The body as sound JSON text. Half surrogate pairs are mended, as other readers do; the check
/// runs first, so that a body without them pays nothing for it.
fn readable(body: &[u8]) -> Result<(Cow<'_, str>, sound::Kind), NormaliseError> {
    let text = std::str::from_utf8(body).map_err(|_| NormaliseError::InvalidJson)?;
    match sound::check(text) {
        Ok(kind) => Ok((Cow::Borrowed(text), kind)),
        Err(error) => {
            let mended = surrogate::mend(text).ok_or(error)?;
            let kind = sound::check(&mended)?;
            Ok((Cow::Owned(mended), kind))
        }
    }
}

/// A message without `jsonrpc` becomes exactly the four members of an envelope; everything else it
/// had, a client's `id` too, is dropped (10 §9.3).
fn write_envelope(
    out: &mut String,
    envelope: &Object<'_>,
    wrapper: Option<&str>,
    write_params: impl Fn(&mut String, &RawValue),
) {
    let Some(id) = wrapper else {
        return write_object(out, envelope, |out, key, raw| match key {
            "params" => write_params(out, raw),
            _ => out.push_str(raw.get()),
        });
    };
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    crate::raw::push_string(out, id);
    out.push_str(r#","method":"#);
    out.push_str(envelope.get("method").map_or("null", RawValue::get));
    out.push_str(r#","params":"#);
    match envelope.get("params") {
        Some(raw) => write_params(out, raw),
        None => out.push_str("null"),
    }
    out.push('}');
}

fn write_params(out: &mut String, params: &Object<'_>, message: Option<&Message<'_>>) {
    write_object(out, params, |out, key, raw| match (key, message) {
        ("message", Some(message)) => message.write(out),
        _ => out.push_str(raw.get()),
    });
}

fn write_object(out: &mut String, object: &Object<'_>, write: impl Fn(&mut String, &str, &RawValue)) {
    out.push('{');
    for (index, (key, raw)) in object.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        crate::raw::push_string(out, key);
        out.push(':');
        write(out, key, raw);
    }
    out.push('}');
}

/// A positive number of whole seconds; fractions are cut.
fn seconds(raw: &RawValue) -> Option<u64> {
    let number: f64 = serde_json::from_str(raw.get()).ok()?;
    (number >= 1.0).then_some(number as u64)
}

/// A non-empty string.
fn named(raw: &RawValue) -> Option<String> {
    text_of(raw).filter(|text| !text.is_empty()).map(Cow::into_owned)
}

#[cfg(test)]
mod tests;
