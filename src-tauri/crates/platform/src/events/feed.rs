//! What one client hears, in order: what it missed, from the outbox, then what happens.

use std::{collections::VecDeque, sync::Arc};

use molecule_model::{Timestamp, event::Envelope};
use tokio::sync::broadcast::error::RecvError;

use super::{Listening, Published, Replay, replay};
use crate::App;

/// What comes next.
pub enum Heard {
    /// It happens now.
    Live(Arc<Published>),
    /// It happened while the client was away or slow.
    Again(Envelope),
    /// Too much happened to tell it all: read the snapshot.
    Resync,
    /// A client that cannot resume was too slow; events are lost to it.
    TooSlow,
}

/// The events of one client. A client that gave `since` is brought up to date from the outbox whenever it falls
/// behind, page by page as it reads, so that however slow it is costs one page.
pub struct Feed {
    app: App,
    live: Listening,
    /// The number of the last event it got, where it can resume.
    sent: Option<i64>,
    /// What is to be told again.
    pending: VecDeque<Envelope>,
    behind: bool,
}

impl Feed {
    /// From event number `since` on, or from now on. `live` was subscribed before anything was read, so that nothing
    /// falls between the two.
    pub const fn new(app: App, live: Listening, since: Option<i64>) -> Self {
        Self { app, live, sent: since, pending: VecDeque::new(), behind: since.is_some() }
    }

    /// The next event; `None` at the server's end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.sent = event.seq.or(self.sent);
                return Some(Heard::Again(event));
            }
            if let Some(sent) = self.sent.filter(|_| self.behind) {
                match self.app.store.read(move |conn| replay(conn, sent)).await {
                    Ok(Replay::Events(events)) => {
                        self.behind = !events.is_empty();
                        self.pending = events.into();
                    }
                    Ok(Replay::TooFar) => return Some(self.resync()),
                    Err(error) => {
                        tracing::error!(%error, "events could not be replayed");
                        return Some(self.resync());
                    }
                }
                continue;
            }
            match self.live.recv().await {
                Ok(event) => match (event.envelope.seq, &mut self.sent) {
                    (Some(seq), Some(sent)) if seq <= *sent => {}
                    (Some(seq), Some(sent)) => {
                        *sent = seq;
                        return Some(Heard::Live(event));
                    }
                    _ => return Some(Heard::Live(event)),
                },
                Err(RecvError::Lagged(_)) if self.sent.is_some() => self.behind = true,
                Err(RecvError::Lagged(_)) => return Some(Heard::TooSlow),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The time, for what the feed says itself.
    pub fn now(&self) -> Timestamp {
        self.app.now()
    }

    fn resync(&mut self) -> Heard {
        self.behind = false;
        self.sent = Some(self.app.bus.last_seq());
        Heard::Resync
    }
}
