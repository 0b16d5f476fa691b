//! Messages: from whoever asks to whoever answers, through one door (10 §9, §11).
//!
//! [`deliver`] holds the whole pipeline in order. The route, delegation and the platform's own notes call it, and
//! whatever comes later does: nothing else posts to an agent. Its row is on disk before its reply is read. What
//! the person says is on disk before it leaves, and what an agent says while it is on its way for more than a moment,
//! so that a crash leaves a turn either unfinished and visible or finished.

mod admission;
mod answer;
mod ask;
mod counted;
mod delegation;
mod dispatch;
mod door;
mod ending;
mod flights;
mod follow;
mod forgiving;
mod job;
mod limits;
pub mod queue;
mod reach;
mod reader;
mod recover;
mod routes;
mod sender;
mod silence;
mod stream;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

pub use ask::{Asked, ask};
pub use delegation::{Begun, delegate_to as delegate};
pub use dispatch::{AnswerBody, BodyError, Failure, PassedBody};
pub use door::{Delivered, deliver};
pub use ending::{Events, INTERRUPTED};
pub use job::{Delivery, Drained, Job, Options};
use molecule_model::WorkspaceId;
pub use recover::recover;
pub use sender::Sender;
use utoipa_axum::routes;

use crate::{Config, auth::Access, endpoint::Endpoint, http::Room, registry::AddressRules};

/// This room's routes.
#[must_use]
pub fn router() -> Room {
    let sender = Access::Handler("the sender that the credential or X-Workspace-ID names (10 §9.2, R-35)");
    Room::new()
        .at(sender, routes!(routes::a2a))
        .at(Access::Workspace, routes!(routes::inflight))
        .at(
            Access::Handler("the message's sender, its receiver or the person; 404 for everybody else (10 §10.4)"),
            routes!(queue::item),
        )
        .at(Access::Admin, routes!(queue::drop_stale))
        .at(Access::Admin, routes!(routes::lift))
        .at(Access::Workspace, routes!(delegation::delegate))
        .at(Access::Workspace, routes!(delegation::record))
        .at(Access::Workspace, routes!(delegation::update))
        .at(Access::Workspace, routes!(delegation::list))
}

/// The way of a message: its clients, and what is on its way now.
pub struct Messaging {
    rules: AddressRules,
    dispatcher: dispatch::Dispatcher,
    flights: Arc<flights::Flights>,
    silence: Arc<silence::Silence>,
    queue: queue::Queue,
    outbound: ending::Outbound,
    counted: counted::Counted,
    /// Delegations that this process runs.
    delegations: Arc<Mutex<HashSet<String>>>,
}

impl Messaging {
    /// With these settings, on this address.
    #[must_use]
    pub fn new(config: &Config, endpoint: &Endpoint) -> Self {
        let rules = AddressRules {
            own_port: endpoint.port,
            allow_lan: config.allow_lan,
            bridges: Vec::new(),
            names: Arc::clone(&config.names),
        };
        Self {
            dispatcher: dispatch::Dispatcher::new(rules.clone()),
            rules,
            flights: Arc::default(),
            silence: Arc::default(),
            queue: queue::Queue::default(),
            outbound: ending::Outbound::default(),
            counted: counted::Counted::default(),
            delegations: Arc::default(),
        }
    }

    /// The rules for addresses of agents on this machine.
    #[must_use]
    pub const fn rules(&self) -> &AddressRules {
        &self.rules
    }

    /// Sends a request to an agent whose body is passed on as it comes, and answers with its response as it comes
    /// (10 §13). The address is checked when it is dialled; redirects are answers.
    ///
    /// # Errors
    /// [`Failure`] when there was no answer.
    pub async fn pass(
        &self,
        request: axum::http::Request<PassedBody>,
    ) -> Result<axum::http::Response<AnswerBody>, Failure> {
        self.dispatcher.pass(request).await
    }

    /// How many messages a workspace works on now, as far as we forwarded them.
    #[must_use]
    pub fn in_flight(&self, id: WorkspaceId) -> usize {
        self.flights.count(id)
    }

    /// Waits until a workspace works on none of the messages that we forwarded.
    pub async fn quiet(&self, id: WorkspaceId) {
        self.flights.quiet(id).await;
    }

    /// `active_tasks` as reads show it: the larger of the reported number and the forwards in flight.
    #[must_use]
    pub fn shown_tasks(&self, id: WorkspaceId, reported: i64) -> i64 {
        reported.max(i64::try_from(self.in_flight(id)).unwrap_or(i64::MAX))
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.delegations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
