//! Chat files (10 §13, 40 §9): what the person attaches goes to the agent, and what an agent attached comes back.
//!
//! An agent with an address keeps its own files: both directions are forwarded as they come, and nothing is held here.
//! For one without an address that we did not start the files lie in the workspace's folder of the data
//! directory, under the names that an agent would have given them, and the agent fetches them with its own token.

mod forward;
mod kept;
mod passing;
mod place;
mod routes;

use std::fmt;

use utoipa_axum::routes;

use crate::{auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new().at(Access::Workspace, routes!(routes::upload)).at(Access::Workspace, routes!(routes::download))
}

/// What is done, as the log says it (S178).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Upload,
    Download,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upload => "upload",
            Self::Download => "download",
        })
    }
}
