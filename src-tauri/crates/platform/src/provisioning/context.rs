//! What a restarted agent is told (20 §3.6): when, how long it was away, which variables it has. Never a value.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use molecule_a2a::normalise;
use molecule_model::{Status, Timestamp, WorkspaceId, id, runtime};
use molecule_store::{
    secrets,
    workspaces::{self, Workspace},
};
use serde_json::json;

use crate::{
    App,
    messaging::{self, Delivery, Options, Sender},
};

/// Between two looks whether it is online.
const LOOK: Duration = Duration::from_millis(500);
/// Looks at most: 30 s.
const LOOKS: usize = 60;
/// The whole delivery may take this long.
const BOUND: Duration = Duration::from_secs(60);

/// What was so before the restart.
#[derive(Debug)]
pub(super) struct Context {
    at: Timestamp,
    previous: Option<Timestamp>,
    names: BTreeSet<String>,
}

/// Notes what is so now. `None` when it cannot be read: the restart goes on without. The embedded agent is not
/// told: it takes up no earlier session, and a turn of its model is not worth the note.
pub(super) async fn capture(app: &App, row: &Workspace) -> Option<Context> {
    if runtime::safe(&row.runtime) == runtime::LOCAL {
        return None;
    }
    let (id, previous) = (row.id, row.last_heartbeat_at);
    let rows = app.store.read(move |conn| Ok((secrets::list(conn, None)?, secrets::list(conn, Some(id))?))).await;
    let (global, own) =
        rows.inspect_err(|error| tracing::warn!(workspace_id = %id, %error, "no restart context")).ok()?;
    Some(Context { at: app.now(), previous, names: global.into_iter().chain(own).map(|row| row.key).collect() })
}

/// Delivers it once the agent is online; gives up after half a minute.
pub(super) fn deliver_when_online(app: &App, id: WorkspaceId, context: Context) {
    let app = Arc::clone(app);
    app.clone().tasks.detach("restart-context", async move {
        for _ in 0..LOOKS {
            let status = app.store.read(move |conn| Ok(workspaces::get(conn, id)?.map(|row| row.status))).await;
            match status {
                Ok(Some(Status::Online)) => return send(&app, id, &context).await,
                Ok(Some(Status::Provisioning)) => tokio::time::sleep(LOOK).await,
                _ => return,
            }
        }
        tracing::info!(workspace_id = %id, "restart context dropped: the agent did not come online in time");
    });
}

async fn send(app: &App, id: WorkspaceId, context: &Context) {
    let note = json!({
        "jsonrpc": "2.0", "id": id::fresh(), "method": "message/send",
        "params": {"message": {
            "kind": "message", "role": "user", "messageId": id::fresh(),
            "parts": [{"kind": "text", "text": context.text()}],
            "metadata": {"source": "platform", "kind": "restart_context", "layer": 1, "restart_context": true},
        }},
    });
    let message = match normalise(note.to_string().as_bytes(), &mut id::fresh) {
        Ok(message) => message,
        Err(error) => return tracing::error!(workspace_id = %id, %error, "a restart context is no message"),
    };
    let options = Options { log: false, timeout: Some(BOUND), ..Options::default() };
    let sender = Sender::System("system:restart-context");
    match messaging::deliver(app, Delivery { sender, target: id, message, options }).await {
        Ok(_) => tracing::info!(workspace_id = %id, "restart context delivered"),
        Err(error) => tracing::info!(workspace_id = %id, status = %error.status(), "restart context not delivered"),
    }
}

impl Context {
    fn text(&self) -> String {
        let previous = match self.previous {
            Some(at) => format!("Previous session ended: {} ({} ago)", seconds(at), age(self.at.seconds_since(at))),
            None => "Previous session ended: (no prior session on record)".to_owned(),
        };
        let names = if self.names.is_empty() {
            "(none)".to_owned()
        } else {
            self.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        format!(
            "=== WORKSPACE RESTART CONTEXT ===\nRestart at: {}\n{previous}\nEnv vars now available: {names}\n=== END RESTART CONTEXT ===",
            seconds(self.at)
        )
    }
}

/// RFC 3339 without the fraction.
fn seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.split_once('.').map_or_else(|| text.clone(), |(whole, _)| format!("{whole}Z"))
}

/// `2h14m`, `5m3s`, `38s`; nothing or less is `0s`.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, _) => format!("{h}h{m}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, age};

    #[test]
    fn the_text_of_the_contract() {
        let at = "2026-05-02T09:14:03.120417Z".parse().unwrap();
        let context = Context { at, previous: None, names: ["KEY_B".to_owned(), "KEY_A".to_owned()].into() };
        insta::assert_snapshot!(context.text(), @r"
        === WORKSPACE RESTART CONTEXT ===
        Restart at: 2026-05-02T09:14:03Z
        Previous session ended: (no prior session on record)
        Env vars now available: KEY_A, KEY_B
        === END RESTART CONTEXT ===
        ");
        let back = Context { at, previous: Some(at.plus_seconds(-8040)), names: [].into() };
        assert!(back.text().contains("Previous session ended: 2026-05-02T07:00:03Z (2h14m ago)"), "{}", back.text());
        assert!(back.text().contains("now available: (none)"));
    }

    #[test]
    fn ages() {
        for (seconds, want) in [(-5, "0s"), (0, "0s"), (38, "38s"), (303, "5m3s"), (8040, "2h14m"), (86_400, "24h0m")] {
            assert_eq!(age(seconds), want);
        }
    }
}
