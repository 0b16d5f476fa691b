//! Agents announce themselves, give signs of life and find each other (10 §4–§8).
//!
//! Register and heartbeat are the hot paths here: one write each, no read before it where the agent shows its
//! own credential. Who is alive is held in memory ([`Presence`]); the sweeps turn silence into a status.
//! [`AddressRules`] is the one judge of agents' addresses, for registration and for dispatch.

mod address;
mod announce;
mod beats;
mod card;
mod discovery;
mod presence;
mod proof;
mod sweep;

pub use address::{AddressRefused, AddressRules, Destination, Host, Names, SystemNames};
pub use beats::Beats;
pub use discovery::{may_communicate, related};
pub use presence::{LIVENESS, Overrides, Presence};
pub use sweep::{PERIOD, free_phantoms, process_gone, recover, start, sweep_once};
use utoipa_axum::routes;

use crate::{auth::Access, http::Room};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    let named = Access::Handler("the workspace that the body or header names (10 §2.9, R-35)");
    let related = Access::Handler("the person, and every workspace that may talk to this one (10 §7.5)");
    Room::new()
        .at(named, routes!(announce::register))
        .at(named, routes!(announce::heartbeat))
        .at(named, routes!(announce::update_card))
        .at(named, routes!(discovery::discover))
        .at(named, routes!(discovery::peers))
        .at(Access::Credential, routes!(discovery::check_access))
        .at(related, routes!(card::card))
        .at(related, routes!(card::card_beside_a2a))
}
