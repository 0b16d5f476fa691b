//! v0.3 to v1 and back, for the one case that needs it: the target's card lists versions, and the
//! caller's is not among them (R-18, R-68; [`crate::Versions::translation_for`]).
//!
//! Members that both dialects have are renamed in place; members that neither has stay where they
//! are. What is no JSON-RPC, has no counterpart, or is in the wanted dialect already, is left alone:
//! the functions on bytes say so with `None`, and the caller forwards what it has.
//!
//! Readers of v1 refuse what they do not know, so three things that v0.3 agents and this product add
//! go where v1 allows anything, into `metadata`: `usage`, `expires_in_seconds`, and unknown members
//! of a `file`.

mod object;
mod part;
mod push;
mod request;
mod result;

use bytes::Bytes;
use serde_json::Value;

use crate::{method::Method, version::Dialect};
pub use request::params;
pub(crate) use result::{kind_of, unwrap, wrapper_of};
pub use result::{result, stream_result};

/// A request in the other dialect.
#[derive(Clone, Debug)]
pub struct Translated {
    /// What is sent.
    pub bytes: Bytes,
    /// The method; needed to translate the answer.
    pub method: Method,
}

/// The request in dialect `to`; `None` where it is sent as it is.
#[must_use]
pub fn request(body: &[u8], to: Dialect) -> Option<Translated> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let (method, from) = Method::parse(body.get("method")?.as_str()?)?;
    if from == to {
        return None;
    }
    body["method"] = method.name(to).into();
    if let Some(inner) = body.get_mut("params") {
        params(inner, method, to);
    }
    Some(Translated { bytes: body.to_string().into(), method })
}

/// The answer to a call of `method` in dialect `to`; `None` where it is passed on as it is.
#[must_use]
pub fn answer(body: &[u8], method: Method, to: Dialect) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    result(body.get_mut("result")?, method, to).then(|| body.to_string().into())
}

/// The data of one event of a stream in dialect `to`; `None` where it is passed on as it is.
#[must_use]
pub fn event(data: &str, to: Dialect) -> Option<String> {
    let mut body: Value = serde_json::from_str(data).ok()?;
    stream_result(body.get_mut("result")?, to).then(|| body.to_string())
}

#[cfg(test)]
mod tests;
