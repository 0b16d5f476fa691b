//! Drains: one message out of the queue, through the door, and what became of it (10 §10.3).

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use bytes::Bytes;
use molecule_a2a::{Answer, normalise};
use molecule_model::{WorkspaceId, id};
use molecule_store::queue::{self, Claimed, Occasion, Outcome, Settled};
use serde_json::Value;
use tokio::{sync::mpsc, time::Instant};

use super::{Held, announce, tell};
use crate::{
    App, AppError,
    messaging::{
        Delivered, Delivery, Drained, Job, Options, Sender, answer::UNREACHED, deliver, follow, reader::Reader,
    },
};

/// How long one delivery may take, the person's own too: nobody waits at its other end, and those behind it wait for
/// its end. Shorter than a lease.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// What stands as the error where none was said (10 §10.3).
const UNKNOWN: &str = "unknown drain dispatch error";
/// The code of an answer that our own stop cut off.
const INTERRUPTED: &str = "interrupted";
/// Codes of streams that broke before their end.
const BROKEN: [&str; 3] = ["stream_cut", "agent_restarting", "agent_silent"];

/// Delivers the next message that waits for `id`, if it can take one, behind the caller's back. Having delivered one
/// it goes on with the next, as long as the agent has room by what it last reported.
pub fn drain(app: &App, id: WorkspaceId, occasion: Occasion) {
    if !app.messaging.queue.is_open() {
        return;
    }
    let worker = Arc::clone(app);
    app.tasks.detach("queue-drain", async move {
        let mut occasion = occasion;
        while let Some((item, held)) = claim(&worker, id, occasion).await {
            if item.room > 0 {
                drain(&worker, id, Occasion::Ours);
            }
            let go_on = one(&worker, item, occasion).await;
            drop(held);
            announce(&worker, id);
            if !go_on {
                return;
            }
            occasion = Occasion::Ours;
        }
    });
}

async fn claim(app: &App, id: WorkspaceId, occasion: Occasion) -> Option<(Claimed, Held)> {
    if app.tasks.stopping().is_cancelled() {
        return None;
    }
    match app.store.write(move |tx| queue::claim(tx, id, occasion)).await {
        Ok(item) => {
            let item = item?;
            let held = app.messaging.queue.hold(&item.claim.id);
            announce(app, id);
            Some((item, held))
        }
        Err(error) => {
            tracing::error!(workspace_id = %id, %error, "the queue could not be read");
            None
        }
    }
}

/// What came of one delivery.
pub(super) enum Came {
    /// The agent answered.
    Answered {
        status: StatusCode,
        body: Bytes,
    },
    /// It was accepted, and no answer comes this way: a poll-mode agent fetches it.
    Taken,
    /// Not now.
    Again,
    Failed(String),
}

/// Delivers and settles one. Answers whether the next may follow at once: whoever did not take this one is asked
/// again at its next sign of life.
async fn one(app: &App, item: Claimed, occasion: Occasion) -> bool {
    let began = Instant::now();
    let sender = item.caller.map_or(Sender::Canvas, Sender::Workspace);
    let options = Options {
        log: false,
        timeout: Some(LONGEST),
        version: item.version.clone(),
        drained: Some(Drained { queue_id: item.claim.id.clone(), hop: item.hop }),
    };
    let message = match normalise(item.body.as_bytes(), &mut id::fresh) {
        Ok(message) => message,
        Err(error) => {
            let came = Came::Failed(error.to_string());
            return settle(app, item, None, came).await;
        }
    };
    let delivery = Delivery { sender, target: item.workspace, message, options };
    let job = Arc::new(Job::new(delivery.clone()));
    let came = match deliver(app, delivery).await {
        Ok(Delivered::Answered { status, body, .. }) => {
            let body = match item.caller.filter(|_| tell::is_delegation(&item.body)) {
                Some(from) => follow::to_the_end(app, from, item.workspace, body, began + LONGEST).await,
                None => body,
            };
            Came::Answered { status, body }
        }
        Ok(Delivered::Streaming { status, events }) => whole(status, events).await,
        Ok(Delivered::Accepted { .. }) => Came::Taken,
        Ok(Delivered::Queued { .. }) => Came::Again,
        Err(error) if is_no_attempt(&error, occasion) => Came::Again,
        Err(error) => Came::Failed(text_of(&error)),
    };
    let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX).max(1);
    settle(app, item, Some((job, took)), came).await
}

/// Whether nothing was tried: we stop, or we only looked whether somebody is there who may be away for days.
fn is_no_attempt(error: &AppError, occasion: Occasion) -> bool {
    let code = error.get("code").and_then(Value::as_str);
    let away = code == Some(UNREACHED) || error.get("restarting") == Some(&Value::Bool(true));
    code == Some("stopping") || (occasion == Occasion::Look && away)
}

/// The error's text, else its status' own words, else [`UNKNOWN`] (10 §10.3).
fn text_of(error: &AppError) -> String {
    let text = Some(error.text()).filter(|text| !text.is_empty()).or_else(|| error.status().canonical_reason());
    text.unwrap_or(UNKNOWN).to_owned()
}

/// A stream to its end, as one answer.
async fn whole(status: StatusCode, mut events: mpsc::Receiver<Bytes>) -> Came {
    let mut reader = Reader::new(None);
    while let Some(piece) = events.recv().await {
        drop(reader.take(piece));
    }
    drop(reader.end());
    let body = reader.finish();
    let error = Answer::parse(&body).and_then(|answer| answer.error());
    let code = error.as_ref().and_then(|error| error.data.as_ref()?.get("code")?.as_str());
    match code {
        Some(INTERRUPTED) => Came::Again,
        Some(code) if BROKEN.contains(&code) => {
            Came::Failed(error.map_or_else(|| UNKNOWN.to_owned(), |error| error.message))
        }
        _ => Came::Answered { status, body },
    }
}

/// Writes what came of it: the row, and whatever the sender reads, in one transaction.
async fn settle(app: &App, item: Claimed, sent: Option<(Arc<Job>, i64)>, came: Came) -> bool {
    let (id, workspace) = (item.claim.id.clone(), item.workspace);
    let go_on = matches!(came, Came::Answered { .. } | Came::Taken);
    let outcome = match &came {
        Came::Answered { .. } | Came::Taken => Outcome::Done,
        Came::Again => Outcome::Again,
        Came::Failed(why) => Outcome::Failed(why.clone()),
    };
    if let Came::Failed(reason) = &came {
        tracing::info!(workspace_id = %workspace, queue_id = %id, attempt = item.attempts, %reason, "a queued message was not delivered");
    }
    let running = Arc::clone(&app.messaging.delegations);
    let written = app
        .store
        .write(move |tx| {
            let settled = queue::settle(tx, &item.claim, &outcome)?;
            match (settled, &came, &sent) {
                (Settled::Completed, Came::Answered { status, body }, Some((job, took))) => {
                    tell::answered(tx, &item, job, *took, *status, body, &running)?;
                }
                (Settled::Failed, Came::Failed(why), _) => {
                    tell::unanswered(tx, &tell::ended(&item, why), Some(&running))?;
                }
                // Purged with its workspace meanwhile: whoever delegated it still waits.
                (Settled::Stale, _, _) if item.caller.is_some() && queue::item(tx, &item.claim.id)?.is_none() => {
                    tell::unanswered(tx, &tell::ended(&item, "the workspace was deleted"), Some(&running))?;
                }
                _ => {}
            }
            Ok(settled)
        })
        .await;
    match written {
        Ok(Settled::Stale) => {
            tracing::warn!(workspace_id = %workspace, queue_id = %id, "a queued message was somebody else's by the time it was answered");
            false
        }
        Ok(Settled::Failed) => {
            tracing::warn!(workspace_id = %workspace, queue_id = %id, "a queued message was given up");
            go_on
        }
        Ok(Settled::Completed | Settled::Queued) => go_on,
        Err(error) => {
            tracing::error!(workspace_id = %workspace, queue_id = %id, %error, "the end of a queued message was not written");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::text_of;
    use crate::AppError;

    #[test]
    fn s151_an_odd_error_body_still_has_a_text() {
        let error = |body: serde_json::Value| {
            AppError::from_body(StatusCode::BAD_GATEWAY, body.as_object().cloned().unwrap_or_default())
        };
        assert_eq!(text_of(&error(json!({"error": "no"}))), "no");
        for odd in [json!({}), json!({"error": null}), json!({"error": {"code": 1}}), json!({"error": ""}), json!(7)] {
            assert_eq!(text_of(&error(odd)), "Bad Gateway");
        }
        let nameless = AppError::from_body(StatusCode::from_u16(599).unwrap(), serde_json::Map::new());
        assert_eq!(text_of(&nameless), "unknown drain dispatch error");
    }
}
