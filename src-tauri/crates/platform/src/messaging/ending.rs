//! What is written about a message at its end: its row in place of its in-flight row, its events, its tokens
//! (10 §9.10). Committed before the reply is sent.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use axum::http::StatusCode;
use bytes::Bytes;
use molecule_a2a::Answer;
use molecule_model::{
    Timestamp, WorkspaceId,
    event::{EventKind, Payload},
};
use molecule_store::{
    Result as StoreResult, Tx,
    activity::{self, NewActivity},
    inflight,
    outbox::NewEvent,
    queue::is_waiting,
    usage::{self, Usage},
};
use tokio::time::Instant;

use super::{
    Job, Sender,
    dispatch::Failure,
    queue::{self, Occasion, Waiting},
};
use crate::{
    App,
    activity::{logged, mirror_payload, response},
};

/// How long the events of an answered message wait for the reply.
const AFTER_REPLY: Duration = Duration::from_millis(150);
/// What a person reads of a message that the server's stop cut off.
pub const INTERRUPTED: &str = "interrupted: Molecule stopped while the agent was working. Send it again to retry.";

/// How a message ended.
pub enum End<'a> {
    /// The agent answered.
    Answered {
        /// With this status.
        status: StatusCode,
        /// And these bytes, as the caller gets them.
        body: &'a Bytes,
        /// What went wrong on the way, where something did.
        broken: Option<&'a str>,
    },
    /// The agent took it, and the connection broke within its answer (10 §9.9).
    Unread {
        /// The status that came.
        status: StatusCode,
    },
    /// It did not.
    Failed(Failure),
    /// The server stops.
    Interrupted,
}

/// Events that go out once the reply was read. Dropping it sends them.
pub struct Events {
    app: App,
    workspace: WorkspaceId,
    seq: i64,
    all: Vec<(EventKind, Payload)>,
    /// The caller is there: wait for it. Cleared when it has gone.
    wait: bool,
}

impl Events {
    /// The caller has gone: nobody to wait for.
    pub fn at_once(mut self) {
        self.wait = false;
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let (workspace, seq, wait) = (self.workspace, self.seq, self.wait);
        let (app, all) = (Arc::clone(&self.app), std::mem::take(&mut self.all));
        self.app.tasks.detach("events-after-reply", async move {
            if wait {
                tokio::time::sleep(AFTER_REPLY).await;
            }
            let emitted = app.store.write(move |tx| emit(tx, workspace, seq, all.clone())).await;
            if let Err(error) = emitted {
                tracing::error!(workspace_id = %workspace, %error, "events of a message were not sent");
            }
        });
    }
}

pub(super) fn emit(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    seq: i64,
    all: Vec<(EventKind, Payload)>,
) -> StoreResult<()> {
    all.into_iter().try_for_each(|(kind, payload)| tx.emit(NewEvent::mirror(kind, workspace, payload, seq)).map(drop))
}

/// Whether the events of this message wait for its reply.
#[must_use]
pub fn is_quiet(app: &App, sender: &Sender) -> bool {
    app.config.development && *sender == Sender::Canvas
}

/// The event of a row that was written for a poll-mode workspace and waits for its reply.
pub async fn later(app: &App, job: &Job, seq: i64) -> Option<Events> {
    let name = EventKind::ActivityLogged;
    let payload = app.store.read(move |conn| mirror_payload(conn, name.as_str(), seq)).await.ok().flatten()?;
    Some(Events { app: Arc::clone(app), workspace: job.target, seq, all: vec![(name, payload)], wait: true })
}

/// When it was last noted that a workspace sent something: once a second is enough for a time that people read and
/// idleness in minutes is judged by (10 §9.10), and each note rewrites the workspace's row.
#[derive(Default)]
pub struct Outbound(Mutex<HashMap<WorkspaceId, Timestamp>>);

impl Outbound {
    /// Whether it is to be noted again. Whoever asks is about to.
    fn is_due(&self, id: WorkspaceId, now: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back is no reason to wait.
        let due = noted.get(&id).is_none_or(|last| now < *last || now >= last.plus_seconds(1));
        if due {
            noted.insert(id, now);
        }
        due
    }
}

/// Writes the end of a message. Answers the events that wait for the reply, where they do.
pub async fn write(app: &App, job: &Job, name: &str, began: Instant, end: End<'_>) -> Option<Events> {
    let known = Known::of(&end).counted_once(app, job);
    let row = job.options.log.then(|| NewActivity { tool_trace: known.trace, ..row(job, name, began, &end) });
    let as_response = known.answered && !known.broken && job.sender == Sender::Canvas && job.is_conversation();
    let outbound = job.sender.workspace().filter(|_| known.answered && job.options.log);
    let outbound = outbound.filter(|from| app.messaging.outbound.is_due(*from, app.now()));
    let kept = job.noted.load(Ordering::Acquire).then(|| job.id.clone());
    let (target, used) = (job.target, known.used);
    if row.is_none() && kept.is_none() && used.is_none() {
        return None;
    }
    // Whoever answered one may take the next; what the queue itself delivered is followed up there.
    let freed = (known.answered || known.broken) && job.options.drained.is_none();
    let quiet = is_quiet(app, &job.sender);
    let all = row.as_ref().map(|row| events_of(row, as_response)).unwrap_or_default();
    let (mut inside, outside) = if quiet { (None, all) } else { (Some(all), Vec::new()) };
    let written = app
        .store
        .write(move |tx| {
            if let Some(id) = &kept {
                inflight::delete(tx, id)?;
            }
            if let Some(used) = used {
                usage::add(tx, target, used)?;
            }
            if let Some(from) = outbound {
                inflight::note_outbound(tx, from)?;
            }
            let waits = freed && is_waiting(tx, target)?;
            let Some(row) = &row else { return Ok((None, waits)) };
            let seq = activity::insert(tx, row)?;
            if !quiet {
                // The first run uses the payloads up; a second one, which is rare, makes them anew.
                emit(tx, target, seq, inside.take().unwrap_or_else(|| events_of(row, as_response)))?;
            }
            Ok((Some(seq), waits))
        })
        .await;
    if matches!(written, Ok((_, true))) {
        queue::drain(app, target, Occasion::Ours);
    }
    match written {
        Ok((Some(seq), _)) if quiet => {
            Some(Events { app: Arc::clone(app), workspace: target, seq, all: outside, wait: true })
        }
        Ok(_) => None,
        Err(error) => {
            // The agent has answered: the caller gets the answer all the same.
            tracing::error!(workspace_id = %target, %error, "the end of a message was not written");
            None
        }
    }
}

/// Writes that a message waits in the queue: its row there in place of its in-flight row, and its activity row, which
/// tells of the attempt and has no duration, because nobody answered. `None`: it could not be queued, and
/// nothing was written (S147).
pub async fn park(app: &App, job: &Arc<Job>, name: &str, failure: Failure) -> Option<(Waiting, Option<Events>)> {
    let row = NewActivity { duration_ms: None, ..failed(job, name, 0, &failure.text()) };
    let (asked, quiet) = (Arc::clone(job), is_quiet(app, &job.sender));
    let outside = if quiet { events_of(&row, false) } else { Vec::new() };
    let written = app
        .store
        .write(move |tx| {
            let waiting = queue::put(tx, &asked)?;
            if asked.noted.load(Ordering::Acquire) {
                inflight::delete(tx, &asked.id)?;
            }
            let seq = activity::insert(tx, &row)?;
            if !quiet {
                emit(tx, asked.target, seq, events_of(&row, false))?;
            }
            Ok((waiting, seq))
        })
        .await;
    match written {
        Ok((waiting, seq)) => {
            let wait = || Events { app: Arc::clone(app), workspace: job.target, seq, all: outside, wait: true };
            Some((waiting, quiet.then(wait)))
        }
        Err(error) => {
            tracing::error!(workspace_id = %job.target, %error, "a message for a busy agent could not be queued");
            None
        }
    }
}

/// The row of a message that came out of the queue and was answered.
pub(super) fn answered(job: &Job, name: &str, took: i64, status: StatusCode, body: &Bytes) -> NewActivity {
    let end = End::Answered { status, body, broken: None };
    NewActivity { tool_trace: Known::of(&end).trace, duration_ms: Some(took), ..row(job, name, Instant::now(), &end) }
}

/// The payloads of a row's events.
pub(super) fn events_of(row: &NewActivity, as_response: bool) -> Vec<(EventKind, Payload)> {
    let mut all = vec![(EventKind::ActivityLogged, logged(row))];
    if as_response {
        all.push((EventKind::A2aResponse, response(row)));
    }
    all
}

/// What is read of an end for the columns beside its bytes.
#[derive(Default)]
struct Known {
    answered: bool,
    broken: bool,
    used: Option<Usage>,
    trace: Option<String>,
    /// The agent's name for the task that the answer is.
    task: Option<String>,
}

impl Known {
    /// The tokens of a task count once, however often it is asked for: with the answer to its message, or with the
    /// first later one that names them.
    fn counted_once(mut self, app: &App, job: &Job) -> Self {
        if self.used.is_some() {
            let first = self.task.take().map(|task| app.messaging.counted.take(job.target, task));
            self.used = self.used.filter(|_| job.is_conversation() || first == Some(true));
        }
        self
    }

    fn of(end: &End<'_>) -> Self {
        match end {
            End::Answered { status, body, broken } => {
                let answer = Answer::parse(body);
                let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                let used = answer.as_ref().and_then(Answer::usage);
                Self {
                    answered: *status < StatusCode::BAD_REQUEST,
                    broken: broken.is_some(),
                    used: used.map(|used| Usage::capped(tokens(used.input_tokens), tokens(used.output_tokens))),
                    trace: answer.as_ref().and_then(Answer::tool_trace).map(str::to_owned),
                    task: used.and(answer.as_ref()).and_then(Answer::task_id).map(Cow::into_owned),
                }
            }
            End::Unread { status } => {
                Self { answered: *status < StatusCode::BAD_REQUEST, broken: true, ..Self::default() }
            }
            End::Failed(_) | End::Interrupted => Self::default(),
        }
    }
}

fn row(job: &Job, name: &str, began: Instant, end: &End<'_>) -> NewActivity {
    // An answered message took at least a millisecond.
    let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX).max(1);
    let answered = |status: StatusCode, broken: bool| NewActivity {
        summary: Some(format!("{} → {name}", job.message.method)),
        duration_ms: Some(took),
        status: if status < StatusCode::BAD_REQUEST && !broken { "ok" } else { "error" },
        ..job.row()
    };
    match end {
        End::Answered { status, body, broken } => NewActivity {
            response_body: Some(String::from_utf8_lossy(body).into_owned()).filter(|text| !text.is_empty()),
            error_detail: broken.map(str::to_owned),
            ..answered(*status, broken.is_some())
        },
        End::Unread { status } => NewActivity {
            error_detail: Some("the agent's answer could not be read".into()),
            ..answered(*status, false)
        },
        End::Failed(failure) => failed(job, name, took, &failure.text()),
        End::Interrupted => failed(job, name, took, INTERRUPTED),
    }
}

fn failed(job: &Job, name: &str, took: i64, why: &str) -> NewActivity {
    NewActivity {
        summary: Some(format!("A2A request to {name} failed: {why}")),
        duration_ms: Some(took),
        status: "error",
        error_detail: Some(why.to_owned()),
        ..job.row()
    }
}
