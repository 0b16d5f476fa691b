//! `GET /workspaces/:id/events/stream`: one workspace's events as server-sent events (10 §14.5).

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use molecule_model::{WorkspaceId, event::Payload};
use molecule_store::workspaces;
use serde::{Deserialize, Serialize};

use super::feed::{Feed, Heard};
use crate::{App, AppError, AppResult};

#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    since: Option<i64>,
}

/// Streams the events of one workspace.
#[utoipa::path(get, path = "/workspaces/{id}/events/stream", tag = "events", params(("id" = String, Path)),
    responses((status = 200, description = "`data:` frames of {type, timestamp, data}", content_type = "text/event-stream")))]
pub(super) async fn stream_events(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(resume): Query<Resume>,
) -> AppResult<Response> {
    let missing = || AppError::not_found("workspace not found");
    let id = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let live = app.bus.subscribe();
    let found = app
        .store
        .read(move |conn| workspaces::get(conn, id))
        .await
        .map_err(|error| AppError::internal("failed to verify workspace", &error))?;
    found.ok_or_else(missing)?;
    let state = (Feed::new(app.clone(), live, resume.since), app.tasks.stopping());
    let rest = stream::unfold(state, move |(mut feed, stopping)| async move {
        loop {
            let heard = tokio::select! {
                heard = feed.next() => heard?,
                () = stopping.cancelled() => return None,
            };
            let event = match &heard {
                Heard::Live(event) if event.workspace == Some(id) => &event.envelope,
                Heard::Again(event) if event.workspace_id == id.to_string() => event,
                Heard::Live(_) | Heard::Again(_) => continue,
                Heard::Resync => {
                    let frame = frame("RESYNC", feed.now().as_micros(), &Payload::default(), None);
                    return Some((frame, (feed, stopping)));
                }
                Heard::TooSlow => {
                    // What a slow reader missed is logged and left out (10 §14.5).
                    tracing::warn!(workspace_id = %id, "a slow event stream missed events");
                    continue;
                }
            };
            let frame = frame(&event.event, event.timestamp.as_micros(), &event.payload, event.seq);
            return Some((frame, (feed, stopping)));
        }
    });
    let first = stream::iter([Bytes::from_static(b": ping\n\n")]);
    let body = Body::from_stream(first.chain(rest).map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// What stands behind `data:`; the time is in milliseconds.
#[derive(Serialize)]
struct Frame<'a> {
    r#type: &'a str,
    timestamp: i64,
    data: &'a Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

fn frame(kind: &str, micros: i64, data: &Payload, seq: Option<i64>) -> Bytes {
    let frame = Frame { r#type: kind, timestamp: micros / 1000, data, seq };
    Bytes::from(format!("data: {}\n\n", serde_json::to_string(&frame).unwrap_or_default()))
}
