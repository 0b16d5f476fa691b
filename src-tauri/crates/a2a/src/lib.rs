//! The A2A protocol as this product speaks it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`mod@normalise`] | what a request looks like before it is forwarded or stored (10 §9.3) |
//! | [`wire`], [`jsonrpc`] | the v0.3 objects, typed, for whoever writes or reads them |
//! | [`reply`], [`answer`] | text, token usage and tool trace of what an agent answered |
//! | [`card`] | agent cards: building one, which versions one declares, showing one with our address |
//! | [`translate`] | v0.3 to v1 and back, only where a card asks for it (R-18) |
//! | [`sse`], [`collect`] | server-sent events, and folding a stream into one stored answer (R-19) |
//! | [`client`] | calling an agent |
//!
//! Two rules run through all of it. Input from the network is never trusted and never panics. And
//! what we do not know passes through: members, methods, states and whole answers.

pub mod answer;
pub mod card;
pub mod client;
pub mod collect;
pub mod jsonrpc;
pub mod method;
pub mod normalise;
mod raw;
pub mod reply;
pub mod sse;
pub mod translate;
pub mod version;
pub mod wire;

pub use answer::{Answer, Usage};
pub use client::{Client, ClientError};
pub use collect::{Collected, Collector};
pub use method::Method;
pub use normalise::{NormaliseError, Normalised, normalise};
pub use version::{Dialect, VERSION_HEADER, Versions};
