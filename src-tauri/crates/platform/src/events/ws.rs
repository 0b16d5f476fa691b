//! `GET /ws`: every event as one text frame (10 §15, R-4, R-20, R-43, R-87, R-99).

use axum::{
    Extension,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::HeaderMap,
    response::Response,
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use molecule_model::{Timestamp, WorkspaceId};
use serde::Deserialize;

use super::{
    Listening,
    feed::{Feed, Heard},
};
use crate::{App, AppError, AppResult, auth::Caller, registry::related};

/// Close code "try again later": reconnect and read the snapshot.
const TRY_AGAIN: u16 = 1013;
/// Close code "going away".
const GOING_AWAY: u16 = 1001;

#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    since: Option<i64>,
}

/// Who listens: a canvas hears everything, an agent what it may talk to (10 §15.2).
#[derive(Clone, Copy)]
enum Listener {
    All,
    Agent(WorkspaceId),
}

/// Opens the event socket.
#[utoipa::path(get, path = "/ws", tag = "events", responses((status = 101, description = "events follow as text frames")))]
pub(super) async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> AppResult<Response> {
    let listener = listener(&app, &caller, &headers).await?;
    let upgrade = upgrade.map_err(|_| AppError::bad_request("a WebSocket upgrade is needed here"))?;
    // The bearer came as a sub-protocol; a browser drops the socket unless it is chosen.
    let offered = headers.get("sec-websocket-protocol").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let chosen =
        offered.split(',').map(str::trim).find(|name| name.starts_with(crate::auth::SUBPROTOCOL)).map(str::to_owned);
    let upgrade = match chosen {
        Some(protocol) => upgrade.protocols([protocol]),
        None => upgrade,
    };
    // Subscribe before replaying, so that nothing falls between the two.
    let live = app.bus.subscribe();
    Ok(upgrade.on_upgrade(move |socket| async move {
        let _open = app.bus.socket_guard();
        serve(app, socket, live, listener, resume.since).await;
    }))
}

async fn listener(app: &App, caller: &Caller, headers: &HeaderMap) -> AppResult<Listener> {
    let named = headers.get("x-workspace-id").and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    match (caller, named) {
        (Caller::Workspace(id), None) => Ok(Listener::Agent(*id)),
        (_, Some(named)) => {
            let id = WorkspaceId::parse_loose(named)
                .ok_or_else(|| AppError::unauthorized("invalid workspace auth token"))?;
            if *caller == Caller::Workspace(id) || app.auth.without_token_allowed(app, id, caller).await? {
                Ok(Listener::Agent(id))
            } else if *caller == Caller::Anonymous {
                Err(AppError::unauthorized("missing workspace auth token"))
            } else {
                Err(AppError::unauthorized("invalid workspace auth token"))
            }
        }
        (Caller::Unknown, None) => Err(AppError::unauthorized("invalid auth token")),
        (Caller::Anonymous, None) if !app.config.development => Err(AppError::unauthorized("missing auth token")),
        _ => Ok(Listener::All),
    }
}

async fn serve(app: App, socket: WebSocket, live: Listening, listener: Listener, since: Option<i64>) {
    let (mut sink, mut stream) = socket.split();
    let stopping = app.tasks.stopping();
    let mut feed = Feed::new(app.clone(), live, since);
    loop {
        let heard = tokio::select! {
            heard = feed.next() => heard,
            // What a client says is read and discarded (10 §15.2).
            said = stream.next() => match said {
                Some(Ok(_)) => continue,
                _ => return,
            },
            () = stopping.cancelled() => None,
        };
        let (about, text) = match heard {
            Some(Heard::Live(event)) => (event.workspace, event.json.as_str().into()),
            Some(Heard::Again(event)) => {
                let text = serde_json::to_string(&event).unwrap_or_default();
                (WorkspaceId::parse_loose(&event.workspace_id), text.into())
            }
            Some(Heard::Resync) => match resync(&mut sink, app.now()).await {
                Ok(()) => continue,
                Err(_) => return,
            },
            Some(Heard::TooSlow) => return close(&mut sink, TRY_AGAIN, "too slow: reconnect and read again").await,
            None => return close(&mut sink, GOING_AWAY, "stopping").await,
        };
        if hears(&app, listener, about).await && sink.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

async fn resync(sink: &mut SplitSink<WebSocket, Message>, at: Timestamp) -> Result<(), axum::Error> {
    let frame = serde_json::json!({"event": "RESYNC", "workspace_id": "", "timestamp": at, "payload": {}});
    sink.send(Message::Text(frame.to_string().into())).await
}

async fn close(sink: &mut SplitSink<WebSocket, Message>, code: u16, reason: &'static str) {
    drop(sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await);
}

/// Whether this event is for this listener.
async fn hears(app: &App, listener: Listener, about: Option<WorkspaceId>) -> bool {
    match (listener, about) {
        (Listener::All, _) => true,
        (Listener::Agent(_), None) => false,
        (Listener::Agent(me), Some(about)) if me == about => true,
        // From memory: every event is asked for every agent that listens.
        (Listener::Agent(me), Some(about)) => related(&app.store, me, about).await.unwrap_or(false),
    }
}
