//! The event stream that tells an MCP client where to post (10 §16.2). Answers never come this way.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use molecule_model::WorkspaceId;
use tokio_util::sync::CancellationToken;

use crate::auth::Capability;

const PING_EVERY: Duration = Duration::from_secs(30);

/// Opens the stream. A client joins the path to the origin alone, so a capability of its base URL stands in it.
pub fn open(id: WorkspaceId, capability: Option<&Capability>, stopping: CancellationToken) -> Response {
    let base = capability.map(|shown| format!("/as/{}", shown.expose())).unwrap_or_default();
    let frames = frames(format!("{base}/workspaces/{id}/mcp"), stopping);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames.map(Ok::<_, Infallible>))).into_response()
}

fn frames(endpoint: String, stopping: CancellationToken) -> impl Stream<Item = Bytes> {
    let first = Bytes::from(format!("event: endpoint\ndata: {endpoint}\n\n"));
    let pings = stream::unfold(stopping, |stopping| async {
        tokio::select! {
            () = tokio::time::sleep(PING_EVERY) => Some((Bytes::from_static(b": ping\n\n"), stopping)),
            () = stopping.cancelled() => None,
        }
    });
    stream::iter([first]).chain(pings)
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures_util::StreamExt;
    use tokio_util::sync::CancellationToken;

    use super::frames;

    #[tokio::test(start_paused = true)]
    async fn the_address_at_once_then_a_ping_every_thirty_seconds_until_the_server_stops() {
        let stopping = CancellationToken::new();
        let mut frames = pin!(frames("/workspaces/x/mcp".into(), stopping.clone()));
        let began = tokio::time::Instant::now();
        assert_eq!(frames.next().await.unwrap(), "event: endpoint\ndata: /workspaces/x/mcp\n\n");
        assert_eq!(began.elapsed(), Duration::ZERO);
        for n in 1..=2 {
            assert_eq!(frames.next().await.unwrap(), ": ping\n\n");
            assert_eq!(began.elapsed().as_secs(), 30 * n);
        }
        stopping.cancel();
        assert_eq!(frames.next().await, None);
    }
}
