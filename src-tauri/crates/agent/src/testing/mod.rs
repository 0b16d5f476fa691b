//! Stub servers for tests: both model dialects, true to the wire, and a small platform.
//!
//! Black-box tests point `ANTHROPIC_BASE_URL` and `OPENAI_BASE_URL` at a [`ModelStub`]; what a request
//! must look like is checked there too, and answered with the provider's own refusal where it is wrong.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test support: a failure here must fail the test at once")]

mod anthropic;
mod model_stub;
mod openai;
mod platform_stub;

pub use model_stub::{ModelStub, Refusal, Reply, Seen, Wire};
pub use platform_stub::{PlatformStub, Posted};
