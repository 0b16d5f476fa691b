//! Streams: an agent's events go on one by one as they come, with back-pressure, and are folded into the one answer
//! that its row keeps. A caller who goes away ends nothing: the agent is listened to until its end.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt;
use molecule_a2a::Dialect;
use molecule_store::inflight::Addressee;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Delivered, Job,
    dispatch::AnswerBody,
    door::Reply,
    ending::{self, End, INTERRUPTED},
    flights::InFlight,
    limits::{Cut, Limits},
    reach::is_dead,
    reader::Reader,
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
        let Some(sender) = self.0.as_ref().filter(|_| !piece.is_empty()) else { return };
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
        let mut reader = Reader::new(self.back);
        let broken = loop {
            let frame = match self.limits.bound(body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    let rest = reader.end();
                    if reader.is_complete() {
                        outlet.send(rest).await;
                        break None;
                    }
                    break Some(Broken::CutOff);
                }
                // What follows the last event is nobody's loss.
                Ok(Some(Err(_))) | Err(_) if reader.is_complete() => break None,
                Ok(Some(Err(error))) => {
                    tracing::info!(workspace_id = %self.job.target, %error, "an agent's stream broke");
                    break Some(Broken::CutOff);
                }
                Err(cut) => break Some(Broken::ByUs(cut)),
            };
            let Ok(piece) = frame.into_data() else { continue };
            self.limits.hear();
            let whole = reader.take(piece);
            if let (Some(flight), Some(task)) = (&self.flight, reader.new_task()) {
                flight.set_task(&task);
            }
            outlet.send(whole).await;
        };
        self.end(status, reader, broken, outlet).await;
    }

    async fn end(self, status: StatusCode, reader: Reader, broken: Option<Broken>, mut outlet: Outlet) {
        let dead = match broken {
            Some(Broken::CutOff) => is_dead(self.app, self.job.target, self.to, true).await,
            _ => false,
        };
        let why = broken.map(|broken| broken.text(dead));
        let body = reader.finish();
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
