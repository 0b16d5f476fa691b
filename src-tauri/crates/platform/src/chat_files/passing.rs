//! A body on its way from the caller to an agent: counted, watched, and never left half read.
//!
//! A caller who is still writing when the answer comes and the connection ends sees a broken connection and no answer.
//! So a body that nobody wants any more, because it is too long or because the agent answered early, is read on for a
//! while and thrown away.

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
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

use crate::messaging::BodyError;

/// How much of an unwanted body is read, bytes.
const DRAINED: u64 = 64 * 1024 * 1024;
/// How long its next piece may take.
const PIECE: Duration = Duration::from_secs(10);

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

/// The body; ends with an error where it is longer than `left`.
pub(super) struct Passing {
    inner: Option<Body>,
    left: u64,
    /// Thrown away since it was too long, bytes.
    excess: u64,
    watch: Watch,
    rest: Option<oneshot::Sender<Option<Body>>>,
}

/// The body was longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("the body is too long")]
struct TooLong;

/// What is left of a body once nobody reads it any more.
pub(super) struct Rest(oneshot::Receiver<Option<Body>>);

impl Rest {
    /// Waits until the body was read or given up, and reads on what was given up.
    pub(super) async fn throw_away(self) {
        if let Ok(Ok(Some(body))) = tokio::time::timeout(PIECE, self.0).await {
            drain(body).await;
        }
    }
}

/// Reads a body that nobody wants.
pub(super) async fn drain(mut body: Body) {
    let mut left = DRAINED;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(PIECE, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        if left == 0 {
            return;
        }
    }
}

impl Passing {
    /// Lets at most `limit` bytes of `body` pass.
    pub(super) fn new(body: Body, limit: u64) -> (Self, Watch, Rest) {
        let (rest, left) = oneshot::channel();
        let watch = Watch::default();
        let passing = Self { inner: Some(body), left: limit, excess: 0, watch: watch.clone(), rest: Some(rest) };
        (passing, watch, Rest(left))
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
            let next = std::task::ready!(Pin::new(inner).poll_frame(cx));
            this.watch.0.pieces.fetch_add(1, Ordering::Relaxed);
            let Some(Ok(frame)) = next else {
                this.inner = None;
                let failed = this.watch.too_long().then(|| Err(TooLong.into()));
                return Poll::Ready(failed.or_else(|| next.map(|end| end.map_err(BodyError::from))));
            };
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            if length <= this.left && !this.watch.too_long() {
                this.left -= length;
                return Poll::Ready(Some(Ok(frame)));
            }
            // Too long: the agent gets no more of it, the caller is read on.
            this.watch.0.too_long.store(true, Ordering::Release);
            this.excess += length;
            if this.excess > DRAINED {
                this.inner = None;
                return Poll::Ready(Some(Err(TooLong.into())));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            let left = self.inner.take().filter(|body| !body.is_end_stream());
            drop(rest.send(left));
        }
    }
}
