//! Streams: an agent's events go on one by one as they come, with back-pressure, and are folded into the one answer
//! that its row keeps. A caller who goes away ends nothing: the agent is listened to until its end.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use molecule_a2a::{Collector, Dialect, sse, translate};
use molecule_store::inflight::Addressee;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Delivered, Job,
    dispatch::{AnswerBody, LARGEST_ANSWER},
    door::{Reply, is_dead},
    ending::{self, End, INTERRUPTED},
    flights::InFlight,
    limits::{Cut, Limits},
};
use crate::App;

/// Pieces that may wait for a slow caller; beyond them the agent waits.
const WAITING: usize = 16;
/// A caller who takes nothing for so long counts as gone.
const STALLED: Duration = Duration::from_secs(60);
/// The code of our own errors in a stream.
const INTERNAL: i64 = -32603;

/// A stream on its way.
pub(super) struct Relay<'a> {
    pub(super) app: &'a App,
    pub(super) job: &'a Arc<Job>,
    pub(super) to: &'a Addressee,
    pub(super) began: Instant,
    pub(super) limits: Limits,
    /// The caller's dialect, where the agent speaks another.
    pub(super) back: Option<Dialect>,
    pub(super) flight: Option<InFlight>,
}

/// Where the pieces go, as long as somebody takes them.
struct Outlet(Option<mpsc::Sender<Bytes>>);

impl Outlet {
    async fn send(&mut self, piece: Bytes) {
        let Some(sender) = &self.0 else { return };
        match tokio::time::timeout(STALLED, sender.send(piece)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => self.0 = None,
        }
    }
}

impl Relay<'_> {
    /// Relays until the agent's end, then writes the row, then ends the caller's stream.
    pub(super) async fn run(self, status: StatusCode, mut body: AnswerBody, reply: Reply) {
        let (sender, events) = mpsc::channel(WAITING);
        let taken = reply.send(Ok(Delivered::Streaming { status, events })).is_ok();
        let mut outlet = Outlet(taken.then_some(sender));
        let mut reader =
            Reader { decoder: sse::Decoder::new(LARGEST_ANSWER), collector: Collector::new(LARGEST_ANSWER) };
        let broken = loop {
            let frame = match self.limits.bound(body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) if reader.collector.is_complete() => break None,
                Ok(None) => break Some(Broken::CutOff),
                // What follows the last event is nobody's loss.
                Ok(Some(Err(_))) | Err(_) if reader.collector.is_complete() => break None,
                Ok(Some(Err(error))) => {
                    tracing::info!(workspace_id = %self.job.target, %error, "an agent's stream broke");
                    break Some(Broken::CutOff);
                }
                Err(cut) => break Some(Broken::ByUs(cut)),
            };
            let Ok(piece) = frame.into_data() else { continue };
            self.limits.hear();
            match reader.take(&piece, self.flight.as_ref(), self.back) {
                Some(translated) => outlet.send(translated).await,
                None => outlet.send(piece).await,
            }
        };
        self.end(status, reader, broken, outlet).await;
    }

    async fn end(self, status: StatusCode, reader: Reader, broken: Option<Broken>, mut outlet: Outlet) {
        let dead = match broken {
            Some(Broken::CutOff) => is_dead(self.app, self.job.target, self.to, true).await,
            _ => false,
        };
        let why = broken.map(|broken| broken.text(dead));
        let body = reader.finish(self.back);
        let end = match broken {
            Some(Broken::ByUs(Cut::Stopping)) if body.is_empty() => End::Interrupted,
            _ => End::Answered { status, body: &body, broken: why },
        };
        let events = ending::write(self.app, self.job, &self.to.name, self.began, end).await;
        drop(self.flight);
        if let Some(why) = why {
            let code = broken.map_or("stream_cut", |broken| broken.code(dead));
            let error = json!({"jsonrpc": "2.0", "id": self.job.message.request_id,
                "error": {"code": INTERNAL, "message": why, "data": {"code": code}}});
            outlet.send(Bytes::from(format!("data: {error}\n\n"))).await;
        }
        let gone = outlet.0.as_ref().is_none_or(mpsc::Sender::is_closed);
        drop(outlet);
        match events {
            Some(events) if gone => events.at_once(),
            // Dropped only now, after the last piece was handed over.
            events => drop(events),
        }
    }
}

/// Why a stream has no end.
#[derive(Clone, Copy)]
enum Broken {
    CutOff,
    ByUs(Cut),
}

impl Broken {
    const fn text(self, dead: bool) -> &'static str {
        match self {
            Self::CutOff if dead => "the agent stopped before it finished; it is being started again",
            Self::CutOff => "the agent's stream ended before its last event",
            Self::ByUs(Cut::Silent) => "no sign of life from the agent for too long; it may still be working",
            Self::ByUs(Cut::Late) => "the deadline passed before the agent finished; it may still be working",
            Self::ByUs(Cut::Stopping) => INTERRUPTED,
        }
    }

    const fn code(self, dead: bool) -> &'static str {
        match self {
            Self::CutOff if dead => "agent_restarting",
            Self::CutOff => "stream_cut",
            Self::ByUs(Cut::Stopping) => "interrupted",
            Self::ByUs(_) => "agent_silent",
        }
    }
}

/// Reads along.
struct Reader {
    decoder: sse::Decoder,
    collector: Collector,
}

impl Reader {
    /// Takes a piece. Answers what goes on in its stead, where the caller speaks another dialect.
    fn take(&mut self, piece: &Bytes, flight: Option<&InFlight>, back: Option<Dialect>) -> Option<Bytes> {
        self.decoder.feed(piece);
        let mut translated = String::new();
        // A stream with an event that is too large to read is handed on unread.
        while let Ok(Some(event)) = self.decoder.next_event() {
            self.note(&event, flight);
            if let Some(dialect) = back {
                let data = translate::event(&event.data, dialect).unwrap_or(event.data);
                for line in data.split('\n') {
                    translated.push_str("data: ");
                    translated.push_str(line);
                    translated.push('\n');
                }
                translated.push('\n');
            }
        }
        back.is_some().then(|| Bytes::from(translated))
    }

    fn note(&mut self, event: &sse::Event, flight: Option<&InFlight>) {
        self.collector.push(&event.data);
        if let Some(task) = flight.and_then(|_| task_of(&event.data)) {
            flight.into_iter().for_each(|flight| flight.set_task(&task));
        }
    }

    /// The one answer, in the caller's dialect; empty where nothing came that says anything.
    fn finish(self, back: Option<Dialect>) -> Bytes {
        let Self { decoder, mut collector } = self;
        if let Some(last) = decoder.finish() {
            collector.push(&last.data);
        }
        let Some(collected) = collector.finish() else { return Bytes::new() };
        let body = collected.body.to_string();
        match back.and_then(|dialect| translate::event(&body, dialect)) {
            Some(translated) => Bytes::from(translated),
            None => Bytes::from(body),
        }
    }
}

/// The task that the first event of a stream names, so that a reloaded screen can stop it.
fn task_of(data: &str) -> Option<String> {
    // Only the announcement is of interest; it is small and comes first.
    if !data.contains("\"task\"") {
        return None;
    }
    let event: Value = serde_json::from_str(data).ok()?;
    let result = event.get("result")?;
    let task = result.get("task").or_else(|| (result.get("kind")? == "task").then_some(result))?;
    Some(task.get("id")?.as_str()?.to_owned())
}
