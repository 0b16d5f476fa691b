//! Workspaces: making, reading, editing, deleting them, and the buttons that stop and start their agents
//! (20 §1–§3). A handler writes state and answers; slow work runs behind it, and a client that hangs up ends
//! nothing half-way.

pub mod create;
pub mod delete;
pub mod external;
pub mod fields;
pub mod grid;
pub mod hibernation;
mod placing;
mod request;
mod routes;
pub mod running;
pub mod seeds;
mod update;
pub mod view;

pub use fields::{check_dir, check_name};
use molecule_model::{WorkspaceId, event::EventKind};
pub use routes::router;
use serde_json::json;

use crate::{App, AppError, AppResult};

/// Runs `work` to its end even where the client hangs up.
pub(crate) async fn carried<T: Send + 'static>(
    app: &App,
    name: &'static str,
    work: impl Future<Output = AppResult<T>> + Send + 'static,
) -> AppResult<T> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    app.tasks.detach(name, async move {
        // Nobody waits any more: the work counts all the same.
        drop(done.send(work.await));
    });
    outcome.await.map_err(|error| AppError::internal("the request was given up; see the server log", &error))?
}

/// Clients that do not know `awaiting_agent` would show a start-up for ever.
pub(crate) fn tell_older_screens(app: &App, id: WorkspaceId) {
    if app.config.development {
        app.bus.ephemeral(EventKind::WorkspaceOffline, Some(id), app.now(), json!({}));
    }
}
