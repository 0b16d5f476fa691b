//! `GET /workspaces/:id/events/stream`: one workspace's events as server-sent events (10 §14.5).

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use molecule_model::WorkspaceId;
use molecule_store::workspaces;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Published, Replay, replay};
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
    let mut frames = vec![Bytes::from_static(b": ping\n\n")];
    let mut sent = 0;
    if let Some(since) = resume.since {
        match app.store.read(move |conn| replay(conn, since)).await? {
            Replay::Events(events) => {
                for event in events {
                    sent = event.seq.unwrap_or(sent);
                    if event.workspace_id == id.to_string() {
                        frames.push(frame(&event.event, event.timestamp.as_micros(), &event.payload, event.seq));
                    }
                }
            }
            Replay::TooFar => frames.push(frame("RESYNC", app.now().as_micros(), &json!({}), None)),
        }
    }
    let state = (live, app.tasks.stopping());
    let rest = stream::unfold(state, move |(mut live, stopping)| async move {
        loop {
            let next = tokio::select! {
                next = next(&mut live) => next?,
                () = stopping.cancelled() => return None,
            };
            let seen = next.envelope.seq.is_some_and(|seq| seq <= sent);
            if next.workspace == Some(id) && !seen {
                let e = &next.envelope;
                return Some((frame(&e.event, e.timestamp.as_micros(), &e.payload, e.seq), (live, stopping)));
            }
        }
    });
    let body = Body::from_stream(stream::iter(frames).chain(rest).map(Ok::<_, Infallible>));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// The next event; what a slow reader missed is logged and left out (10 §14.5).
async fn next(live: &mut Receiver<Arc<Published>>) -> Option<Arc<Published>> {
    loop {
        match live.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "a slow event stream missed events"),
            Err(RecvError::Closed) => return None,
        }
    }
}

fn frame(kind: &str, micros: i64, payload: &Value, seq: Option<i64>) -> Bytes {
    let mut data = json!({"type": kind, "timestamp": micros / 1000, "data": payload});
    if let (Some(seq), Some(data)) = (seq, data.as_object_mut()) {
        data.insert("seq".into(), json!(seq));
    }
    Bytes::from(format!("data: {data}\n\n"))
}
