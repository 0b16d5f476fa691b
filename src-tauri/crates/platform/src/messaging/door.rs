//! The one door: the way of a message from whoever sends it to whoever answers (10 §9, ARCHITECTURE idea 4).
//!
//! Everything after the request was read runs detached, so that a caller who hangs up cancels nothing; the reply
//! goes back over a channel, and whether somebody still listens there changes nothing but who reads it.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::{StatusCode, header};
use bytes::Bytes;
use molecule_a2a::{Dialect, Method, card::declared_versions, translate};
use molecule_model::{WorkspaceId, event::EventKind};
use molecule_store::inflight::{self, Addressee};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Delivery, Job, Sender,
    admission::{self, Admission},
    answer,
    dispatch::{self, Failure},
    ending::{self, End, Events},
    flights::{InFlight, Verdict},
    limits::{Cut, Limits},
    queue::{self, Occasion, Waiting},
    reach::{is_dead, post},
    sender::unrelated,
    stream,
};
use crate::{
    App, AppError, AppResult,
    provisioning::{self, Reason},
};

/// How long an agent's message may be on its way before a note of it is put on disk. What is answered sooner is
/// written once, with its answer.
const BRIEF: Duration = Duration::from_millis(10);
/// How a message was taken.
pub enum Delivered {
    /// The agent answered.
    Answered {
        /// Below 300.
        status: StatusCode,
        /// As the agent sent it.
        body: Bytes,
        /// Events that wait until the reply was read.
        events: Option<Events>,
    },
    /// The agent answers with a stream of events.
    Streaming {
        /// Below 300.
        status: StatusCode,
        /// The events as they come; the end of the channel is the end of the stream.
        events: mpsc::Receiver<Bytes>,
    },
    /// A poll-mode workspace will fetch it (10 §9.4).
    Accepted {
        /// The message's method.
        method: String,
        /// Events that wait until the reply was read.
        events: Option<Events>,
    },
    /// The agent is busy: it waits in the queue, on disk, and is delivered when the agent is free (10 §10).
    Queued {
        /// Where.
        waiting: Waiting,
        /// Events that wait until the reply was read.
        events: Option<Events>,
    },
}

/// Where a reply goes.
pub(super) type Reply = oneshot::Sender<AppResult<Delivered>>;

/// Delivers a message and answers with what came of it.
///
/// # Errors
/// What 10 §9.1 says, in its order; 508 from the loop guard.
pub async fn deliver(app: &App, delivery: Delivery) -> AppResult<Delivered> {
    let (reply, answer) = oneshot::channel();
    let worker = Arc::clone(app);
    // Boxed here: what is spawned is moved several times, and this is large.
    app.tasks.detach("deliver", Box::pin(async move { run(&worker, Job::new(delivery), reply).await }));
    // No answer at all: the task panicked, which is in the log.
    answer
        .await
        .unwrap_or_else(|_| Err(AppError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to deliver the message")))
}

/// The checks that go before a body is looked at (10 §9.1 steps 6, 7).
///
/// # Errors
/// 403, 402.
pub async fn precheck(app: &App, sender: &Sender, target: WorkspaceId) -> AppResult<()> {
    let from = sender.workspace();
    match app.store.read(move |conn| admission::check(conn, from, target)).await? {
        Some(Admission::Forbidden) => Err(unrelated()),
        Some(Admission::OverBudget) => Err(over_budget()),
        _ => Ok(()),
    }
}

fn over_budget() -> AppError {
    AppError::new(StatusCode::PAYMENT_REQUIRED, "workspace budget limit exceeded")
}

async fn run(app: &App, mut job: Job, reply: Reply) {
    app.messaging.silence.listen(app);
    let verdict = match (&job.options.drained, job.sender.workspace()) {
        (Some(drained), _) => Verdict::Hop(drained.hop),
        // Asking how a task stands says nothing, however often.
        (None, Some(from)) if job.is_conversation() => {
            app.messaging.flights.judge(from, job.target, || job.message.text().unwrap_or_default())
        }
        (None, _) => Verdict::Hop(0),
    };
    if let Verdict::Hop(hop) = verdict {
        job.hop = hop;
    }
    job.queues = queue::takes(app, &job);
    let job = Arc::new(job);
    // In memory before it is on disk: the recovery takes no row for lost whose message is on its way.
    let flight = match verdict {
        Verdict::Hop(hop) if job.is_conversation() => {
            Some(app.messaging.flights.begin(job.target, &job.id, job.sender.workspace(), hop))
        }
        _ => None,
    };
    match admit(app, &job, verdict).await {
        Next::Go(to) => forward(app, &job, &to, flight, reply).await,
        Next::Accepted(events) => {
            send(reply, Ok(Delivered::Accepted { method: job.message.method.clone(), events }));
        }
        Next::Behind(waiting, events) => {
            send(reply, Ok(Delivered::Queued { waiting, events }));
            queue::announce(app, job.target);
            // Perhaps those before it wait for nothing but somebody who looks.
            queue::drain(app, job.target, Occasion::Ours);
        }
        Next::Refused(error) => send(reply, Err(error)),
    }
}

/// What follows the admission.
enum Next {
    Go(Arc<Addressee>),
    Accepted(Option<Events>),
    Behind(Waiting, Option<Events>),
    Refused(AppError),
}

/// Hands the reply over; whoever is gone has nothing to wait for.
pub(super) fn send(reply: Reply, answer: AppResult<Delivered>) {
    if let Err(Ok(
        Delivered::Answered { events: Some(events), .. }
        | Delivered::Accepted { events: Some(events), .. }
        | Delivered::Queued { events: Some(events), .. },
    )) = reply.send(answer)
    {
        events.at_once();
    }
}

async fn admit(app: &App, job: &Arc<Job>, verdict: Verdict) -> Next {
    match admission::quick(&app.store, job, &app.messaging.rules, verdict).await {
        Ok(Some(to)) => return Next::Go(to),
        Ok(None) => {}
        Err(error) => return Next::Refused(AppError::internal("lookup failed", &error)),
    }
    Box::pin(admit_in_order(app, job, verdict)).await
}

/// The whole admission, behind all writes that came before it.
async fn admit_in_order(app: &App, job: &Arc<Job>, verdict: Verdict) -> Next {
    let (asked, rules) = (Arc::clone(job), app.messaging.rules.clone());
    let quiet = ending::is_quiet(app, &job.sender);
    let decided = app.store.write(move |tx| admission::admit(tx, &asked, &rules, verdict, quiet)).await;
    let decided = match decided {
        Ok(decided) => decided,
        Err(molecule_store::Error::Full) => return Next::Refused(molecule_store::Error::Full.into()),
        Err(error) => return Next::Refused(AppError::internal("lookup failed", &error)),
    };
    Next::Refused(match decided {
        Admission::Go(to) => return Next::Go(to),
        Admission::Accepted(seq) if quiet => return Next::Accepted(ending::later(app, job, seq).await),
        Admission::Accepted(_) => return Next::Accepted(None),
        Admission::Behind(waiting, seq) if quiet => return Next::Behind(waiting, ending::later(app, job, seq).await),
        Admission::Behind(waiting, _) => return Next::Behind(waiting, None),
        Admission::Forbidden => unrelated(),
        Admission::OverBudget => over_budget(),
        Admission::NotFound => AppError::not_found("workspace not found"),
        Admission::NoUrl(status) => answer::no_url(status),
        Admission::Unsafe(refused) => answer::unsafe_address(refused),
        Admission::Looping(verdict) => {
            tell_of_loop(app, job, verdict);
            answer::looping(verdict)
        }
        Admission::Asleep => {
            wake(app, job.target).await;
            answer::waking()
        }
    })
}

/// The person hears of a pair that was paused, and can lift it.
fn tell_of_loop(app: &App, job: &Job, verdict: Verdict) {
    if let (Verdict::Paused { left, now: true }, Some(from)) = (verdict, job.sender.workspace()) {
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let payload = json!({"loop_paused": {"workspace_id": job.target, "peer_id": from, "until": app.now().plus_seconds(seconds)}});
        app.bus.ephemeral(EventKind::PlatformChanged, Some(job.target), app.now(), payload);
    }
}

/// O-9: one wake at a time, since only one write leads out of `hibernated`.
async fn wake(app: &App, id: WorkspaceId) {
    use molecule_model::Trigger;
    use molecule_store::{lifecycle, workspaces};
    let begun = app
        .store
        .write(move |tx| {
            let Some(row) = workspaces::get(tx, id)? else { return Ok(false) };
            let payload = provisioning::provisioning_payload(&row);
            Ok(lifecycle::begin(tx, id, Trigger::Wake, payload)?.is_some())
        })
        .await;
    match begun {
        Ok(true) => provisioning::launch(app, id, Reason::Restarted),
        Ok(false) => {}
        Err(error) => tracing::error!(workspace_id = %id, %error, "a sleeping workspace could not be woken"),
    }
}

/// What is sent, and how to read what comes back.
pub(super) struct Spoken {
    pub(super) body: Bytes,
    pub(super) version: Option<String>,
    /// The caller's own dialect and the method, where the answer must be translated back.
    pub(super) back: Option<(Method, Dialect)>,
}

/// translated only where the card lists versions and the caller's is not among them.
fn spoken(job: &Job, to: &Addressee) -> Spoken {
    let plain = || Spoken { body: job.message.bytes.clone(), version: job.options.version.clone(), back: None };
    let (Some(card), Some(caller)) = (&to.card, job.message.dialect()) else { return plain() };
    let Ok(card) = serde_json::from_str(card) else { return plain() };
    let Some(other) = declared_versions(&card).translation_for(caller) else { return plain() };
    let Some(translated) = translate::request(&job.message.bytes, other) else { return plain() };
    Spoken {
        body: translated.bytes,
        version: other.header().map(str::to_owned),
        back: Some((translated.method, caller)),
    }
}

/// What is rare is boxed: the future of every message is as large as its largest part, and is moved when it is spawned.
async fn forward(app: &App, job: &Arc<Job>, to: &Addressee, flight: Option<InFlight>, reply: Reply) {
    let began = Instant::now();
    let limits = Limits::new(app, job);
    let spoken = spoken(job, to);
    let posted = noting(app, job, began, limits.bound(post(app, job, to, &spoken))).await;
    let response = match posted {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => return Box::pin(failed(app, job, to, began, failure, reply)).await,
        Err(Cut::Stopping) => return Box::pin(interrupted(app, job, to, began, reply)).await,
        Err(cut) => return Box::pin(failed(app, job, to, began, cut.failure(), reply)).await,
    };
    let status = response.status();
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
    if status.is_success() && is_stream {
        Box::pin(note(app, job)).await;
        let relay =
            stream::Relay { app, job, to, began, limits, back: spoken.back.map(|(_, dialect)| dialect), flight };
        return Box::pin(relay.run(status, response.into_body(), reply)).await;
    }
    let body = match noting(app, job, began, limits.bound(dispatch::whole(response.into_body()))).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => {
            tracing::warn!(workspace_id = %job.target, %error, "an agent's answer could not be read");
            let confirmed = status.is_success() || status.is_redirection();
            let end =
                if confirmed { End::Unread { status } } else { End::Failed(Failure::Busy("the connection was reset")) };
            let events = ending::write(app, job, &to.name, began, end).await;
            drop(flight);
            send(reply, Err(answer::unread(status)));
            return drop(events);
        }
        Err(Cut::Stopping) => return Box::pin(interrupted(app, job, to, began, reply)).await,
        Err(cut) => return Box::pin(failed(app, job, to, began, cut.failure(), reply)).await,
    };
    answered(app, job, to, began, status, body, spoken.back, flight, reply).await;
}

#[expect(clippy::too_many_arguments, reason = "the end of one function, cut off for its length")]
async fn answered(
    app: &App,
    job: &Job,
    to: &Addressee,
    began: Instant,
    status: StatusCode,
    body: Bytes,
    back: Option<(Method, Dialect)>,
    flight: Option<InFlight>,
    reply: Reply,
) {
    let body = back.and_then(|(method, dialect)| translate::answer(&body, method, dialect)).unwrap_or(body);
    let dead = answer::SUSPICIOUS.contains(&status.as_u16()) && Box::pin(is_dead(app, job.target, to, false)).await;
    let end = End::Answered { status, body: &body, broken: None };
    let events = ending::write(app, job, &to.name, began, end).await;
    // Whoever reads the answer finds the workspace no longer busy with it.
    drop(flight);
    if dead {
        send(reply, Err(answer::restarting()));
    } else if status >= StatusCode::MULTIPLE_CHOICES {
        send(reply, Err(answer::refused_by_agent(status, &body)));
    } else {
        return send(reply, Ok(Delivered::Answered { status, body, events }));
    }
    drop(events);
}

/// No answer came (10 §9.7): the dead-agent check, the row, the queue or the refusal.
async fn failed(app: &App, job: &Arc<Job>, to: &Addressee, began: Instant, failure: Failure, reply: Reply) {
    tracing::info!(workspace_id = %job.target, reason = %failure.text(), elapsed_ms = began.elapsed().as_millis(), "no answer");
    let dead = match failure {
        Failure::Refused(_) | Failure::Unbuildable => false,
        _ => is_dead(app, job.target, to, true).await,
    };
    if matches!(failure, Failure::Unbuildable) {
        // Nothing was sent, so nothing is logged (10 §9.7).
        forget(app, job).await;
        return send(reply, Err(answer::unanswered(app, job.target, failure)));
    }
    if !dead && let Some(queued) = queue::park(app, job, &to.name, failure).await {
        return send(reply, Ok(queued));
    }
    let events = ending::write(app, job, &to.name, began, End::Failed(failure)).await;
    let error = match (dead, &job.options.drained) {
        (true, _) => answer::restarting(),
        (false, Some(_)) => answer::undelivered(failure),
        (false, None) => answer::unanswered(app, job.target, failure),
    };
    send(reply, Err(error));
    drop(events);
}

/// Does `work`, and where that takes more than [`BRIEF`] puts on disk that the message is on its way.
async fn noting<T>(app: &App, job: &Arc<Job>, began: Instant, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep_until(began + BRIEF) => {}
    }
    let note = Box::pin(note(app, job));
    tokio::join!(work, note).0
}

/// Puts on disk that the message is on its way, unless that is known there or need not be.
async fn note(app: &App, job: &Arc<Job>) {
    if !job.is_kept() || job.noted.load(Ordering::Acquire) {
        return;
    }
    let noted = Arc::clone(job);
    if let Err(error) = app.store.write(move |tx| admission::note(tx, &noted)).await {
        tracing::error!(workspace_id = %job.target, %error, "a message on its way was not noted");
    }
}

async fn interrupted(app: &App, job: &Job, to: &Addressee, began: Instant, reply: Reply) {
    let events = ending::write(app, job, &to.name, began, End::Interrupted).await;
    send(reply, Err(answer::stopping()));
    drop(events);
}

async fn forget(app: &App, job: &Job) {
    if !job.noted.load(Ordering::Acquire) {
        return;
    }
    let id = job.id.clone();
    if let Err(error) = app.store.write(move |tx| inflight::delete(tx, &id)).await {
        tracing::error!(workspace_id = %job.target, %error, "a message that was not sent stays noted");
    }
}
