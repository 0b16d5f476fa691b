//! Launches that never register (20 §8.4).

use std::time::Duration;

use molecule_model::runtime;
use molecule_store::lifecycle;
use serde_json::json;

use crate::{App, Platform};

/// Where nothing else says.
const DEFAULT: Duration = Duration::from_secs(600);
/// Its image is large.
const HERMES: Duration = Duration::from_secs(1800);

/// How long a runtime may take (S113): the setting, the templates, the runtime's own, ten minutes. What the templates
/// say is what a workspace object shows, too (S115): both read [`crate::templates::Templates::provision_timeout`].
fn allowed(platform: &Platform, name: &str) -> Duration {
    let own = if runtime::safe(name) == "hermes" { HERMES } else { DEFAULT };
    platform.config.provision_timeout.or_else(|| platform.templates.provision_timeout(name)).unwrap_or(own)
}

/// Marks as failed what has been starting for too long. The time that the machine slept does not count (S110).
pub async fn expire(app: &App) {
    let now = app.now();
    app.presence.look(now);
    let woke = app.presence.woke();
    let rows = match app.store.read(lifecycle::starting).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, "launches could not be looked at");
            return;
        }
    };
    for row in rows {
        let limit = i64::try_from(allowed(app, &row.runtime).as_secs()).unwrap_or(i64::MAX);
        let since = woke.map_or(row.updated_at, |woke| woke.max(row.updated_at));
        if now.seconds_since(since) <= limit {
            continue;
        }
        let message = format!("the agent was started but did not register within {limit} seconds");
        let payload = json!({"error": message, "timeout_secs": limit, "runtime": row.runtime, "source": "provision_timeout_sweep"});
        let id = row.id;
        match app.store.write(move |tx| lifecycle::expire(tx, &row, &message, payload.clone())).await {
            Ok(true) => tracing::warn!(workspace_id = %id, timeout_secs = limit, "a launch took too long"),
            Ok(false) => {}
            Err(error) => tracing::error!(workspace_id = %id, %error, "a late launch could not be written down"),
        }
    }
}
