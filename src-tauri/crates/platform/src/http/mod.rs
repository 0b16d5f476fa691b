//! The HTTP face: the front door every request passes, and the rooms' routes behind it.

pub mod assets;
pub mod body;
mod cors;
mod front;
pub mod limiter;
pub mod listen;
pub mod metrics;
mod openapi;
mod patient;
mod refusal;
mod room;
mod security;
mod unread;

pub use front::{came_by, service};
pub use openapi::document;
pub use room::Room;

use crate::{
    activity, admin, app, approvals, auth, chat_files, events, instructions, mcp, memory, messaging, orgs, registry,
    secrets, templates, workspaces,
};

/// Every route of the platform.
#[must_use]
pub fn routes() -> Room {
    Room::new()
        .merge(openapi::router())
        .merge(admin::router())
        .merge(app::router())
        .merge(auth::router())
        .merge(events::router())
        .merge(registry::router())
        .merge(messaging::router())
        .merge(activity::router())
        .merge(chat_files::router())
        .merge(workspaces::router())
        .merge(templates::router())
        .merge(orgs::router())
        .merge(secrets::router())
        .merge(memory::router())
        .merge(mcp::router())
        .merge(approvals::router())
        .merge(instructions::router())
}
