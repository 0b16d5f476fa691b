//! The activity log: what agents were asked, answered and reported, and what they tell the person (10 §12).
//!
//! The proxy, delegation and these routes write it, and nobody else. Chat history is a view of it: what a
//! screen shows live can be read again from here (S172).

mod event;
mod notify;
mod routes;
mod view;

pub use event::{logged, mirror_payload, response};
pub use notify::{Attachment, tell};
use utoipa_axum::routes;

use crate::{auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    Room::new()
        .at(Access::Workspace, routes!(routes::list, routes::report))
        .at(Access::Workspace, routes!(notify::notify))
        .at(Access::Admin, routes!(routes::newest))
}
