//! Questions that only the person may answer (30 §6, R-16): asked by agents, decided in the canvas, denied by time.

mod routes;

use std::{sync::Arc, time::Duration};

use molecule_model::{WorkspaceId, event::EventKind};
use molecule_store::approvals;
pub use routes::router;
use serde_json::json;

use crate::{App, Platform};

/// How often overdue questions are looked for.
const PERIOD: Duration = Duration::from_secs(15);

/// Starts the expiry.
pub fn start(app: &App) {
    let worker = Arc::clone(app);
    app.tasks.every("approval-expiry", PERIOD, move || {
        let app = Arc::clone(&worker);
        async move { expire(&app).await }
    });
}

/// Denies what nobody decided within ten minutes.
pub async fn expire(app: &Platform) {
    match app.store.write(approvals::expire).await {
        Ok(late) => late.into_iter().for_each(|(workspace, id)| tell(app, workspace, &id, "denied", "auto-expired")),
        Err(error) => tracing::error!(%error, "overdue approvals could not be closed"),
    }
}

/// The frame that waiting agents look for, with its keys at the top level.
fn tell(app: &Platform, workspace: WorkspaceId, approval: &str, status: &str, by: &str) {
    let payload = json!({"approval_id": approval, "status": status, "decided_by": by});
    app.bus.ephemeral_flat(EventKind::ApprovalDecided, Some(workspace), app.now(), payload);
}
