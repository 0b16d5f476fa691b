//! JSON-RPC: `message/send`, `message/stream` and the task methods, in v0.3 and in v1.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use molecule_a2a::jsonrpc::{self, RpcError};
use molecule_a2a::{Dialect, Method, reply, sse, translate};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Served;
use crate::turns::{self, Ending, Incoming, Turn};

/// Where messages belong that name no conversation.
const MAIN: &str = "main";

/// A stream that has nothing to tell says so this often: whoever reads it sees that it is not dead.
const QUIET: Duration = Duration::from_secs(15);

/// One request as it came.
struct Asked {
    id: Value,
    method: Method,
    dialect: Dialect,
    params: Value,
}

/// Answers one request.
pub(super) async fn call(State(served): State<Served>, body: Bytes) -> Response {
    let asked = match read(&body) {
        Ok(asked) => asked,
        Err(refused) => return refuse(refused.0, refused.1),
    };
    match asked.method {
        Method::Send => send(&served, asked).await,
        Method::Stream => match incoming(&asked.params) {
            Ok(incoming) => watch(turns::begin(&served.agent, incoming), &asked),
            Err(error) => refuse(asked.id, *error),
        },
        Method::GetTask | Method::CancelTask | Method::Subscribe => on_task(&served, asked).await,
        _ => refuse(asked.id, RpcError::new(jsonrpc::PUSH_NOT_SUPPORTED, "push notifications are not supported")),
    }
}

fn read(body: &[u8]) -> Result<Asked, Box<(Value, RpcError)>> {
    let request: Value = serde_json::from_slice(body).map_err(|_| Box::new((Value::Null, RpcError::parse())))?;
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let Some(name) = request.get("method").and_then(Value::as_str) else {
        return Err(Box::new((id, RpcError::invalid_request("method is missing"))));
    };
    let Some((method, dialect)) = Method::parse(name) else {
        return Err(Box::new((id, RpcError::method_not_found(name))));
    };
    let params = request.get("params").cloned().unwrap_or(Value::Null);
    Ok(Asked { id, method, dialect, params })
}

/// The message of a request; its id is the turn's.
fn incoming(params: &Value) -> Result<Incoming, Box<RpcError>> {
    let message = params.get("message").filter(|message| message.is_object());
    let message = message.ok_or_else(|| Box::new(RpcError::invalid_params("params.message is missing")))?;
    let own = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let from = params["metadata"]["source_workspace_id"].as_str().map(|id| format!("peer-{id}"));
    let mut text = reply::message_text(message).unwrap_or_default();
    for file in attached(message) {
        text.push_str(&format!("\n[attached file: {file}]"));
    }
    Ok(Incoming {
        id: own("messageId").unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        context_id: own("contextId").or(from).unwrap_or_else(|| MAIN.to_owned()),
        text,
        history: turns::history(params),
    })
}

/// The files of a message: name, and where an agent finds it.
fn attached(message: &Value) -> Vec<String> {
    let parts = message["parts"].as_array().into_iter().flatten();
    let file = |part: &Value| {
        let file = part.get("file").or_else(|| part.get("url").map(|_| part))?;
        let first = |keys: [&str; 2]| keys.iter().find_map(|key| file.get(*key).and_then(Value::as_str));
        let (name, uri) = (first(["name", "filename"]), first(["uri", "url"]));
        let ours = |uri: &&str| ["workspace:", "file:", "/"].iter().any(|start| uri.starts_with(start));
        match (name, uri.filter(ours)) {
            (Some(name), Some(path)) => Some(format!("{name} at {}", path.trim_start_matches("workspace:"))),
            (name, _) => name.or(uri).map(str::to_owned),
        }
    };
    parts.filter_map(file).collect()
}

async fn send(served: &Served, asked: Asked) -> Response {
    let incoming = match incoming(&asked.params) {
        Ok(incoming) => incoming,
        Err(error) => return refuse(asked.id, *error),
    };
    let turn = turns::begin(&served.agent, incoming);
    // Whoever does not want to wait asks for the task later (`configuration.blocking`, v1 `returnImmediately`).
    let wish = &asked.params["configuration"];
    if wish["blocking"] == false || wish["returnImmediately"] == true {
        return answer(&asked, json!(turn.task()));
    }
    match turn.ended().await {
        Ending::Answered(message) => answer(&asked, json!(message)),
        Ending::Failed(fault) => {
            let mut data = json!({"code": fault.code});
            if let Some(seconds) = fault.retry_after {
                data["retry_after"] = json!(seconds);
            }
            refuse(asked.id, RpcError::new(jsonrpc::AGENT_ERROR, fault.text).with_data(data))
        }
        Ending::Canceled => answer(&asked, json!(turn.task())),
    }
}

async fn on_task(served: &Served, asked: Asked) -> Response {
    let id = asked.params.get("id").and_then(Value::as_str).unwrap_or_default();
    let Some(turn) = served.agent.turns.find(id) else {
        let error = RpcError::task_not_found(id);
        return refuse(asked.id, error);
    };
    match asked.method {
        Method::CancelTask if turn.ending().is_some() => {
            let error = RpcError::task_not_cancelable(id);
            refuse(asked.id, error)
        }
        Method::CancelTask => {
            turn.cancel();
            drop(turn.ended().await);
            answer(&asked, json!(turn.task()))
        }
        Method::Subscribe => watch(turn, &asked),
        _ => answer(&asked, json!(turn.task())),
    }
}

fn answer(asked: &Asked, result: Value) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": asked.id, "result": result}).to_string();
    let translated = match asked.dialect {
        Dialect::V1 => translate::answer(body.as_bytes(), asked.method, Dialect::V1),
        Dialect::V03 => None,
    };
    let bytes = translated.unwrap_or_else(|| body.into());
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

fn refuse(id: Value, error: RpcError) -> Response {
    let body = jsonrpc::Response::error(id, error);
    let text = serde_json::to_string(&body).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// Every event of a turn, from its beginning.
fn watch(turn: Arc<Turn>, asked: &Asked) -> Response {
    let (id, dialect) = (asked.id.clone(), asked.dialect);
    let events = stream::unfold((turn, 0), move |(turn, at)| {
        let id = id.clone();
        async move {
            let event = match timeout(QUIET, turn.event(at)).await {
                Ok(event) => event?,
                Err(_) => return Some((Ok::<_, Infallible>(sse::comment("still here")), (turn, at))),
            };
            let data = json!({"jsonrpc": "2.0", "id": id, "result": event}).to_string();
            let data = match dialect {
                Dialect::V1 => translate::event(&data, Dialect::V1).unwrap_or(data),
                Dialect::V03 => data,
            };
            Some((Ok(sse::data(&data)), (turn, at + 1)))
        }
    });
    let headers = [(header::CONTENT_TYPE, sse::CONTENT_TYPE), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(events)).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{incoming, read};

    #[test]
    fn messages_are_read_leniently() {
        let got = incoming(&json!({"message": {"messageId": "m", "parts": [{"type": "text", "text": "a"}, {"kind": "file", "file": {"name": "x.md"}}]},
            "metadata": {"source_workspace_id": "w", "history": [{"role": "user", "parts": [{"kind": "text", "text": "h"}]}]}}))
        .unwrap();
        assert_eq!((got.id.as_str(), got.context_id.as_str()), ("m", "peer-w"));
        assert_eq!(got.text, "a\n[attached file: x.md]");
        assert_eq!(got.history.len(), 1);
        assert!(incoming(&json!({})).is_err());
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_id() {
        assert!(read(b"{").is_err());
        let (id, _) = *read(br#"{"id": 7}"#).err().unwrap();
        assert_eq!(id, json!(7));
        assert!(read(br#"{"id": 7, "method": "nope"}"#).is_err());
        assert!(read(br#"{"id": 7, "method": "SendMessage"}"#).is_ok());
    }
}
