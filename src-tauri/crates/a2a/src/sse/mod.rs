//! Server-sent events, both ways (10 §14.5, 40 §10.3).

mod decode;
mod encode;

pub use decode::{Decoder, TooLarge};
pub use encode::{CONTENT_TYPE, comment, data};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type; A2A uses none.
    pub event: Option<String>,
    /// Its data, lines joined by newlines.
    pub data: String,
    /// Its id.
    pub id: Option<String>,
    /// After how many milliseconds the reader should come back.
    pub retry: Option<u64>,
}
