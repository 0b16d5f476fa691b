//! What is left behind: agents of workspaces that are gone, and tokens of agents that are (10 §18.4, 20 §8.6).
//!
//! Three passes, none of which stops another. They ask the launchers that this installation started agents with, so
//! they see nobody else's.

use std::time::Duration;

use molecule_model::{Status, WorkspaceId};
use molecule_store::{lifecycle, workspaces};

use super::{Instance, instance_state};
use crate::App;

/// Between two rounds, the first at boot.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// What one round may take.
const BUDGET: Duration = Duration::from_secs(30);
/// A token that was not used for so long, seconds, is stale where its agent is gone.
const STALE: i64 = 300;

/// One round.
pub async fn sweep_orphans(app: &App) {
    app.presence.look(app.now());
    let passes = async {
        agents_of_nobody(app).await;
        // Right after a start nothing of ours runs yet, and that is nobody's end.
        if !app.recovering.steps().contains(&"agents") {
            stale_tokens(app).await;
        }
    };
    if tokio::time::timeout(BUDGET, passes).await.is_err() {
        tracing::error!(
            budget_s = BUDGET.as_secs(),
            "looking for what was left behind took too long; the rest comes next time"
        );
    }
}

/// Passes 1 and 2: agents whose row is removed (S117), or is not there at all because the database was wiped or
/// restored (S118). A stop that fails is tried again next time.
async fn agents_of_nobody(app: &App) {
    for launcher in app.provisioning.launchers() {
        for instance in launcher.running().await {
            let id = instance.workspace_id;
            let row = match app.store.read(move |conn| workspaces::get(conn, id)).await {
                Ok(row) => row,
                Err(error) => {
                    tracing::error!(workspace_id = %id, %error, "whose agent this is could not be read");
                    continue;
                }
            };
            let why = match row.map(|row| row.status) {
                None => "it belongs to no workspace",
                Some(Status::Removed) => "its workspace is removed",
                Some(_) => continue,
            };
            tracing::warn!(workspace_id = %id, launcher = launcher.name(), why, "an agent that was left behind is stopped");
            if let Err(error) = launcher.stop(id).await {
                tracing::error!(workspace_id = %id, %error, "an agent that was left behind could not be stopped");
            }
        }
    }
}

/// Pass 3: where an agent of ours is gone, tokens that nobody has used for a while are revoked, so that whoever finds
/// one cannot use it, and an agent whose files were wiped can register anew (S120). Runs also where nothing runs at all:
/// that is its main case. A write that fails ends the pass until the next round.
async fn stale_tokens(app: &App) {
    let cutoff = app.now().plus_seconds(-STALE);
    let ids = match app.store.read(move |conn| lifecycle::with_stale_tokens(conn, cutoff)).await {
        Ok(ids) => ids,
        Err(error) => return tracing::error!(%error, "stale tokens could not be read"),
    };
    for id in ids {
        if instance_state(app, id).await != Instance::Gone {
            continue;
        }
        match app.store.write(move |tx| lifecycle::revoke_stale(tx, id, cutoff)).await {
            Ok(0) => {}
            Ok(count) => revoked(app, id, count),
            Err(error) => return tracing::error!(workspace_id = %id, %error, "stale tokens could not be revoked"),
        }
    }
}

fn revoked(app: &App, id: WorkspaceId, count: usize) {
    app.auth.forget();
    tracing::info!(workspace_id = %id, count, "tokens of an agent that is gone are revoked");
}
