//! The activity log: what agents were asked, answered and reported, and what they tell the person (10 §12).
//!
//! The proxy, delegation and these routes write it, and nobody else. Chat history is a view of it: what a
//! screen shows live can be read again from here (S172).

mod event;
mod notify;
mod retention;
mod routes;
mod search;
mod view;

pub use event::{logged, mirror_payload, response};
pub use notify::{Attachment, tell};
pub use retention::sweep_once;
pub use search::{Search, catch_up};
use utoipa_axum::routes;

use crate::{App, auth::Access, http::Room};

/// Starts the room's background work.
pub fn start(app: &App) {
    search::start(app);
    retention::start(app);
}

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
        .at(Access::Workspace, routes!(routes::list, routes::report))
        .at(Access::Workspace, routes!(notify::notify))
        .at(Access::Workspace, routes!(search::session_search))
        .at(Access::Admin, routes!(routes::newest))
}
