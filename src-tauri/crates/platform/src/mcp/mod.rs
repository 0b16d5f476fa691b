//! The MCP bridge: eight tools that any MCP client of an agent can list and call over HTTP (10 §16, 30 §24).
//!
//! Its few methods are answered by hand and not by `rmcp`, whose server decides itself what the contract fixes to the
//! letter: no `Accept` rule, no session, an answer to `notifications/initialized`, every error inside a 200.
//! Each tool is a thin face of the room that owns the matter: messages go through the one door, memories are redacted
//! by their room, words for the person are kept like any notify.

mod call;
mod limit;
mod routes;
mod rpc;
mod stream;
mod tools;

pub use limit::Limit;
use utoipa_axum::routes;

use crate::{auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new().at(Access::Workspace, routes!(routes::call)).at(Access::Workspace, routes!(routes::stream))
}
