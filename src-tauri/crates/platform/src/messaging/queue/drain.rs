//! Drains: messages out of the queue, through the door, and what became of them (10 §10.3).

use std::{ops::Range, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use molecule_a2a::{Answer, normalise};
use molecule_model::{WorkspaceId, id};
use molecule_store::{
    Result as StoreResult, Tx,
    queue::{self, Claimed, Occasion, Outcome, Settled},
};
use serde_json::Value;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{
    Held, announce,
    tell::{self, Running},
};
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

/// Lets the agent have what waits for it and what it can take, behind the caller's back: the workspace's lane is told
/// to look, and begins where there is none.
pub fn drain(app: &App, id: WorkspaceId, occasion: Occasion) {
    if !app.messaging.queue.is_open() {
        return;
    }
    if let Some(wake) = app.messaging.queue.ask(id, occasion) {
        let lane = Lane { app: Arc::clone(app), id, wake, is_open: true };
        app.tasks.detach("queue-drain", lane.run());
    }
}

/// The deliveries out of one workspace's queue. What ended is written and what may follow is claimed in one
/// transaction, and whatever happens meanwhile shares the next one.
struct Lane {
    app: App,
    id: WorkspaceId,
    wake: Arc<Notify>,
    is_open: bool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.is_open {
            self.app.messaging.queue.close_lane(self.id);
        }
    }
}

/// A delivery that came to its end.
struct Over {
    item: Claimed,
    /// What was sent, and for how many milliseconds; nothing where it could not be read.
    sent: Option<(Job, i64)>,
    came: Came,
    held: Held,
}

impl Lane {
    async fn run(mut self) {
        let mut deliveries = FuturesUnordered::new();
        let mut over: Vec<Over> = Vec::new();
        loop {
            while let Some(Some(end)) = deliveries.next().now_or_never() {
                over.extend(end);
            }
            let idle = over.is_empty() && deliveries.is_empty();
            let Some(asked) = self.app.messaging.queue.asked(self.id, idle) else {
                self.is_open = false;
                return;
            };
            if over.is_empty() && asked.is_none() {
                tokio::select! {
                    end = deliveries.next(), if !deliveries.is_empty() => over.extend(end.flatten()),
                    () = self.wake.notified() => {}
                }
                continue;
            }
            // Whoever took none is asked again at its next sign of life.
            let asked = asked.or_else(|| over.iter().any(|one| one.came.is_taken()).then_some(Occasion::Ours));
            for (item, held) in self.turn(std::mem::take(&mut over), asked).await {
                let (app, occasion) = (Arc::clone(&self.app), asked.unwrap_or(Occasion::Ours));
                deliveries.push(Box::pin(contained(async move { one(&app, item, held, occasion).await })));
            }
        }
    }

    /// Writes what became of deliveries, and claims what follows where it was asked for.
    async fn turn(&self, over: Vec<Over>, asked: Option<Occasion>) -> Vec<(Claimed, Held)> {
        let asked = asked.filter(|_| !self.app.tasks.stopping().is_cancelled());
        let all = 0..over.len();
        let over = Arc::new(over);
        let claimed = match self.write(&over, all.clone(), asked).await {
            Err(_) if all.len() > 1 || asked.is_some() => {
                // One that cannot be written must not hold up the others.
                for at in all {
                    drop(self.write(&over, at..at + 1, None).await);
                }
                self.write(&over, 0..0, asked).await
            }
            done => done,
        };
        announce(&self.app, self.id);
        let claimed = claimed.unwrap_or_default().into_iter();
        claimed
            .map(|item| {
                let held = self.app.messaging.queue.hold(&item.claim.id);
                (item, held)
            })
            .collect()
    }

    async fn write(
        &self,
        over: &Arc<Vec<Over>>,
        which: Range<usize>,
        asked: Option<Occasion>,
    ) -> StoreResult<Vec<Claimed>> {
        let (id, running) = (self.id, Arc::clone(&self.app.messaging.delegations));
        let (ended, range) = (Arc::clone(over), which.clone());
        let written = self
            .app
            .store
            .write(move |tx| {
                let settled: Vec<_> =
                    ended[range.clone()].iter().map(|one| settle(tx, one, &running)).collect::<StoreResult<_>>()?;
                let claimed = asked.map(|occasion| queue::claim(tx, id, occasion, usize::MAX)).transpose()?;
                Ok((settled, claimed.unwrap_or_default()))
            })
            .await;
        match written {
            Ok((settled, claimed)) => {
                over[which].iter().zip(settled).for_each(|(one, settled)| one.tell(settled));
                Ok(claimed)
            }
            Err(error) => {
                tracing::error!(workspace_id = %id, %error, ended = which.len(), "a turn of the queue was not written");
                Err(error)
            }
        }
    }
}

/// A delivery whose panic is its own; its row is taken back when its lease is over.
async fn contained(work: impl Future<Output = Over>) -> Option<Over> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.inspect_err(|_| tracing::error!("a delivery out of the queue panicked")).ok()
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

impl Came {
    /// Whether the next may follow at once.
    const fn is_taken(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Taken)
    }
}

/// Delivers one.
async fn one(app: &App, item: Claimed, held: Held, occasion: Occasion) -> Over {
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
        Err(error) => return Over { item, sent: None, came: Came::Failed(error.to_string()), held },
    };
    let delivery = Delivery { sender, target: item.workspace, message, options };
    let job = Job::new(delivery.clone());
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
    Over { item, sent: Some((job, took)), came, held }
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

/// Writes what came of it: the row, and whatever the sender reads.
fn settle(tx: &mut Tx<'_>, over: &Over, running: &Running) -> StoreResult<Settled> {
    let Over { item, sent, came, .. } = over;
    let outcome = match came {
        Came::Answered { .. } | Came::Taken => Outcome::Done,
        Came::Again => Outcome::Again,
        Came::Failed(why) => Outcome::Failed(why.clone()),
    };
    let settled = queue::settle(tx, &item.claim, &outcome)?;
    match (settled, came, sent) {
        (Settled::Completed, Came::Answered { status, body }, Some((job, took))) => {
            tell::answered(tx, item, job, *took, *status, body, running)?;
        }
        (Settled::Failed, Came::Failed(why), _) => {
            tell::unanswered(tx, &tell::ended(item, why), Some(running))?;
        }
        // Purged with its workspace meanwhile: whoever delegated it still waits.
        (Settled::Stale, _, _) if item.caller.is_some() && queue::item(tx, &item.claim.id)?.is_none() => {
            tell::unanswered(tx, &tell::ended(item, "the workspace was deleted"), Some(running))?;
        }
        _ => {}
    }
    Ok(settled)
}

impl Over {
    /// Into the log.
    fn tell(&self, settled: Settled) {
        let (workspace, id) = (self.item.workspace, &self.held.id);
        if let Came::Failed(reason) = &self.came {
            tracing::info!(workspace_id = %workspace, queue_id = %id, attempt = self.item.attempts, %reason, "a queued message was not delivered");
        }
        match settled {
            Settled::Stale => {
                tracing::warn!(workspace_id = %workspace, queue_id = %id, "a queued message was somebody else's by the time it was answered");
            }
            Settled::Failed => {
                tracing::warn!(workspace_id = %workspace, queue_id = %id, "a queued message was given up");
            }
            Settled::Completed | Settled::Queued => {}
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
