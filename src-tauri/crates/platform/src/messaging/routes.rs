//! `POST /workspaces/:id/a2a` and what is on its way there.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use molecule_a2a::{NormaliseError, VERSION_HEADER, normalise};
use molecule_model::{Timestamp, WorkspaceId, id};
use molecule_store::{inflight, queue::pending, rusqlite::Connection};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use super::{
    Delivered, Delivery, Events, Options, Sender, deliver,
    door::precheck,
    sender::{sender_of, unrelated},
};
use crate::{
    App, AppError, AppResult,
    auth::Caller,
    http::body::{self, A2A_LIMIT},
};

/// Waiting messages that are shown of one workspace.
const SHOWN: usize = 100;

/// Sends an A2A message to a workspace's agent and answers with what it answers.
#[utoipa::path(post, path = "/workspaces/{id}/a2a", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, description = "the agent's own answer, or a stream of its events"),
        (status = 202, description = "the agent is busy and the message waits in the queue"), (status = 400), (status = 401),
        (status = 402), (status = 403), (status = 404), (status = 413), (status = 502), (status = 503), (status = 508)))]
pub(super) async fn a2a(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: body::Bytes,
) -> AppResult<Response> {
    if body.0.len() > A2A_LIMIT {
        return Err(too_large());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let target = WorkspaceId::parse_loose(&id);
    let sender = sender_of(&app, &caller, text("x-workspace-id"), target).await?;
    let message = normalise(&body.0, &mut id::fresh);
    let Some(target) = target else {
        // A malformed id is an unknown workspace, and no agent is related to one.
        return Err(match (sender, message) {
            (Sender::Workspace(_), _) => unrelated(),
            (_, Err(refused)) => bad_message(refused),
            (_, Ok(_)) => AppError::not_found("workspace not found"),
        });
    };
    let message = match message {
        Ok(message) => message,
        Err(refused) => {
            precheck(&app, &sender, target).await?;
            return Err(bad_message(refused));
        }
    };
    let timeout = text("x-timeout").and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds > 0);
    let options = Options {
        timeout: timeout.map(Duration::from_secs),
        version: text(VERSION_HEADER).map(str::to_owned),
        ..Options::default()
    };
    Ok(match deliver(&app, Delivery { sender, target, message, options }).await? {
        Delivered::Answered { status, body, events } => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (status, kind, Body::new(Guarded { body: Full::new(body), _events: events })).into_response()
        }
        Delivered::Streaming { status, events } => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
                (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
            ];
            let pieces = ReceiverStream::new(events).map(Ok::<_, std::convert::Infallible>);
            (status, headers, Body::from_stream(pieces)).into_response()
        }
        Delivered::Accepted { method, events } => {
            drop(events);
            Json(json!({"status": "queued", "delivery_mode": "poll", "method": method})).into_response()
        }
        Delivered::Queued { waiting, events } => {
            drop(events);
            let body = json!({"queued": true, "queue_id": waiting.queue_id, "queue_depth": waiting.depth,
                "message": "workspace agent busy — request queued, will dispatch when capacity available"});
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
    })
}

fn too_large() -> AppError {
    AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "request body too large: a message may have 1 MiB")
        .code("body_too_large")
}

fn bad_message(refused: NormaliseError) -> AppError {
    match refused.body() {
        Value::Object(body) => AppError::from_body(StatusCode::BAD_REQUEST, body),
        _ => AppError::bad_request(refused.to_string()),
    }
}

/// A body of known length that lets the message's events go once it was handed over.
struct Guarded {
    body: Full<Bytes>,
    _events: Option<Events>,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A message that is being answered now.
#[derive(Serialize, ToSchema)]
pub(super) struct InflightView {
    message_id: String,
    method: Option<String>,
    source_id: Option<String>,
    started_at: Timestamp,
    #[schema(value_type = Object)]
    request_body: Box<RawValue>,
    /// The agent's name for it, once it said one: what `tasks/cancel` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// It waits in the queue until the agent is free; nobody works on it yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    queued: bool,
}

/// What a workspace's agent works on now, and behind it what waits for it, so that a reloaded screen shows it.
#[utoipa::path(get, path = "/workspaces/{id}/inflight", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = Vec<InflightView>)))]
pub(super) async fn inflight(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Vec<InflightView>>> {
    let Some(id) = WorkspaceId::parse_loose(&id) else { return Ok(Json(Vec::new())) };
    let now = app.now();
    let read = move |conn: &Connection| Ok((inflight::list(conn, id)?, pending(conn, id, now, SHOWN)?));
    let (rows, pending) = app.store.read(read).await.map_err(|error| AppError::internal("query failed", &error))?;
    let mut tasks = app.messaging.flights.tasks(id);
    let views = rows.into_iter().filter_map(|row| {
        // What a crash left behind is no longer on its way; the recovery is about to say so.
        let task_id = tasks.remove(&row.id)?;
        Some(InflightView {
            message_id: row.message_id.unwrap_or(row.id),
            method: row.method.filter(|method| !method.is_empty()),
            source_id: row.source_id,
            started_at: row.started_at,
            request_body: row.request_body,
            task_id,
            queued: false,
        })
    });
    let waiting = pending.into_iter().map(|row| InflightView {
        message_id: row.message_id.unwrap_or(row.id),
        method: row.method,
        source_id: row.caller_id.map(|id| id.to_string()),
        started_at: row.enqueued_at,
        request_body: row.request_body,
        task_id: None,
        queued: row.waits,
    });
    Ok(Json(views.chain(waiting).collect()))
}

/// Lets two agents talk again whom the loop guard paused.
#[utoipa::path(delete, path = "/workspaces/{id}/pauses/{peer_id}", tag = "messages",
    params(("id" = String, Path), ("peer_id" = String, Path)), responses((status = 200), (status = 404)))]
pub(super) async fn lift(State(app): State<App>, Path((id, peer)): Path<(String, String)>) -> AppResult<Json<Value>> {
    let pair = WorkspaceId::parse_loose(&id).zip(WorkspaceId::parse_loose(&peer));
    if pair.is_some_and(|(a, b)| app.messaging.flights.lift(a, b)) {
        Ok(Json(json!({"status": "lifted"})))
    } else {
        Err(AppError::not_found("these two are not paused"))
    }
}
