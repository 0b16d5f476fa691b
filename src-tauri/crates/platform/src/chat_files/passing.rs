//! A body on its way from the caller to an agent: counted, and watched for whether it moves.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::messaging::BodyError;

/// What happens to a body on its way.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Seen>);

#[derive(Default)]
struct Seen {
    pieces: AtomicU64,
    too_long: AtomicBool,
}

impl Watch {
    /// Whether the body was longer than it may be.
    pub(super) fn too_long(&self) -> bool {
        self.0.too_long.load(Ordering::Acquire)
    }

    /// Does `work`, and gives up when for `limit` it neither ends nor does a piece of the body move.
    pub(super) async fn unless_still<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut seen = self.0.pieces.load(Ordering::Relaxed);
        loop {
            if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
                return Some(done);
            }
            let now = self.0.pieces.load(Ordering::Relaxed);
            if now == seen {
                return None;
            }
            seen = now;
        }
    }
}

/// The body; ends with an error where it is longer than it may be.
pub(super) struct Passing {
    inner: Body,
    left: u64,
    watch: Watch,
}

/// The body was longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the body is too long")]
struct TooLong;

impl Passing {
    /// Lets at most `limit` bytes of `body` pass.
    pub(super) fn new(body: Body, limit: u64) -> (Self, Watch) {
        let watch = Watch::default();
        (Self { inner: body, left: limit, watch: watch.clone() }, watch)
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let next = std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx));
        this.watch.0.pieces.fetch_add(1, Ordering::Relaxed);
        if let Some(Ok(frame)) = &next {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(left) = this.left.checked_sub(length) else {
                this.watch.0.too_long.store(true, Ordering::Release);
                return Poll::Ready(Some(Err(TooLong.into())));
            };
            this.left = left;
        }
        Poll::Ready(next.map(|piece| piece.map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
