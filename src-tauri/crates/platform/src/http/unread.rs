//! Bodies that a route did not read.
//!
//! A client who is still writing when it is refused and the connection is closed sees a broken connection and never
//! the refusal. So what is left of a refused request's body is read on for a while and thrown away.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

/// How much of an unwanted body is read, bytes.
const DRAINED: u64 = 64 * 1024 * 1024;
/// How long its next piece may take.
const PIECE: Duration = Duration::from_secs(10);

/// A body that says what is left of it when nobody wants it any more.
struct Watched {
    inner: Option<Body>,
    /// Its sender waits to be asked for it, and was not: a refusal comes before the first byte.
    unasked: bool,
    rest: Option<oneshot::Sender<Body>>,
}

/// What is left of a body.
pub(super) struct Rest(oneshot::Receiver<Body>);

/// The body, and what will be left of it. `expects`: its sender waits for `100 Continue`, which the first look at the
/// body sends.
pub(super) fn watch(body: Body, expects: bool) -> (Body, Rest) {
    let (rest, left) = oneshot::channel();
    (Body::new(Watched { inner: Some(body), unasked: expects, rest: Some(rest) }), Rest(left))
}

impl Rest {
    /// Waits until the body was read or given up, and reads on what was given up.
    pub(super) async fn throw_away(self) {
        if let Ok(Ok(body)) = tokio::time::timeout(PIECE, self.0).await {
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

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.unasked = false;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let next = std::task::ready!(Pin::new(inner).poll_frame(cx));
        if !matches!(next, Some(Ok(_))) {
            this.inner = None;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let left = self.inner.take().filter(|body| !self.unasked && !body.is_end_stream());
        if let (Some(rest), Some(body)) = (self.rest.take(), left) {
            drop(rest.send(body));
        }
    }
}
