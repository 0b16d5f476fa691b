//! `/ws` as a client hears it.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::wait::SOON;

/// An open event socket and everything it has said.
pub struct Events {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Every frame so far, oldest first.
    pub seen: Vec<Value>,
}

impl Events {
    /// Opens the socket at `base` (`http://…`) with a bearer, from event `since` on.
    ///
    /// # Errors
    /// The refusal of the handshake.
    pub async fn open(base: &str, bearer: &str, since: Option<i64>) -> Result<Self, Error> {
        let query = since.map(|seq| format!("?since={seq}")).unwrap_or_default();
        let url = format!("{}/ws{query}", base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_str(&format!("molecule.bearer.{bearer}"))?;
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request).await?;
        Ok(Self { socket, seen: Vec::new() })
    }

    /// The next event, or `None` when the socket was closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let event: Value = serde_json::from_str(&text).unwrap();
                    self.seen.push(event.clone());
                    return Some(event);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The first event from now on that `wanted` takes.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> impl Future<Output = Value> {
        let asked = std::panic::Location::caller();
        async move {
            let before = self.seen.len();
            let found = tokio::time::timeout(SOON, async {
                loop {
                    let Some(event) = self.next().await else {
                        panic!("the socket closed before {what} (asked at {asked})")
                    };
                    if wanted(&event) {
                        return event;
                    }
                }
            })
            .await;
            found.unwrap_or_else(|_| {
                let heard: Vec<&str> = self.seen[before..].iter().filter_map(|event| event["event"].as_str()).collect();
                panic!("no {what} came (asked at {asked}); heard {heard:?}")
            })
        }
    }

    /// The next event of this kind about this workspace.
    #[track_caller]
    pub fn of(&mut self, kind: &str, workspace: &str) -> impl Future<Output = Value> {
        let what = format!("{kind} of {workspace}");
        let (kind, workspace) = (kind.to_owned(), workspace.to_owned());
        async move {
            let wanted = |event: &Value| event["event"] == kind.as_str() && event["workspace_id"] == workspace.as_str();
            self.until(&what, wanted).await
        }
    }

    /// What came within `quiet` of silence.
    pub async fn drain(&mut self, quiet: Duration) {
        while let Ok(Some(_)) = tokio::time::timeout(quiet, self.next()).await {}
    }

    /// The number of the newest numbered event so far.
    pub fn last_seq(&self) -> Option<i64> {
        self.seen.iter().rev().find_map(|event| event["seq"].as_i64())
    }
}
