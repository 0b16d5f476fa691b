//! A request's body, for as long as its client goes on sending it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Error, body::Body};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("the request body stalled")]
struct Stalled;

/// Gives up when nothing comes for a while, and tells whether all of it was taken.
pub struct Patient {
    body: Body,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
    taken: Arc<AtomicBool>,
}

impl Patient {
    /// Beside it, the flag that is up once the end was reached.
    pub fn new(body: Body, patience: Duration) -> (Self, Arc<AtomicBool>) {
        let taken = Arc::new(AtomicBool::new(false));
        (Self { body, patience, silence: Box::pin(sleep(patience)), taken: Arc::clone(&taken) }, taken)
    }
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.silence.as_mut().reset(Instant::now() + this.patience);
            if frame.is_none() || this.body.is_end_stream() {
                this.taken.store(true, Ordering::Release);
            }
            return Poll::Ready(frame);
        }
        this.silence.as_mut().poll(cx).map(|()| Some(Err(Error::new(Stalled))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
