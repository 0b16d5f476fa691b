//! A model server that does what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{anthropic, openai};

/// Which protocol the stub speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `POST /v1/messages`.
    Anthropic,
    /// `POST /v1/chat/completions`; also answers `GET /v1/models`.
    OpenAi,
}

/// One answer of the model.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Streams these pieces of text and ends well.
    Say(Vec<String>),
    /// Streams a piece, waits, streams the next one.
    Slowly(Vec<String>, Duration),
    /// Streams text, then asks for tools: (name, arguments).
    Call(String, Vec<(String, Value)>),
    /// Refuses in the provider's words.
    Refuse(Refusal),
    /// Streams this text, then the connection breaks.
    Cut(String),
    /// Streams this text, then never sends another byte.
    Silent(String),
    /// Sends these bytes as the body of an event stream.
    Raw(String),
}

impl Reply {
    /// One text, word by word.
    pub fn say(text: &str) -> Self {
        Self::Say(text.split_inclusive(' ').map(str::to_owned).collect())
    }

    /// One tool.
    pub fn call(tool: &str, input: Value) -> Self {
        Self::Call(String::new(), vec![(tool.to_owned(), input)])
    }
}

/// Ways to refuse, each with the status, headers and body that the provider really sends.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// The key is wrong.
    WrongKey,
    /// The key may not use this model.
    Forbidden,
    /// Too fast; `Retry-After` in seconds, if it is sent.
    RateLimited(Option<u64>),
    /// No credit left.
    OutOfQuota,
    /// The provider's own trouble.
    Overloaded,
    /// More text than fits.
    ContextTooLong,
    /// No such model.
    UnknownModel,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its path.
    pub path: String,
    /// The key it carried, without `Bearer`.
    pub key: Option<String>,
    /// Its body.
    pub body: Value,
}

impl Seen {
    /// How many tool results the request carries, over all rounds.
    pub fn tool_results(&self) -> usize {
        let text = self.body["messages"].to_string();
        text.matches(r#""type":"tool_result""#).count() + text.matches(r#""role":"tool""#).count()
    }

    /// The text of the last message of the person or of the last tool result.
    pub fn last_text(&self) -> String {
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        let content = messages.last().map(|last| last["content"].clone()).unwrap_or_default();
        match content {
            Value::String(text) => text,
            Value::Array(blocks) => blocks
                .iter()
                .filter_map(|block| block["text"].as_str().or_else(|| block["content"].as_str()))
                .collect::<Vec<_>>()
                .join("\n"),
            other => other.to_string(),
        }
    }
}

type Answer = Box<dyn FnMut(&Seen) -> Reply + Send>;

struct Shared {
    wire: Wire,
    key: Option<String>,
    seen: Mutex<Vec<Seen>>,
    answer: Mutex<Answer>,
}

/// A running stub; ends when dropped.
pub struct ModelStub {
    shared: Arc<Shared>,
    origin: String,
    server: JoinHandle<()>,
}

impl ModelStub {
    /// Answers each request with what `answer` makes of it. With `key`, other keys get a 401.
    pub async fn start(wire: Wire, key: Option<&str>, answer: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            wire,
            key: key.map(str::to_owned),
            seen: Mutex::default(),
            answer: Mutex::new(Box::new(answer)),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, origin, server }
    }

    /// Answers in this order; the last reply is repeated for ever.
    pub async fn in_order(wire: Wire, replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start(wire, None, move |_| {
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies.front().unwrap().clone() }
        })
        .await
    }

    /// What belongs into `ANTHROPIC_BASE_URL` or `OPENAI_BASE_URL`.
    pub fn base_url(&self) -> String {
        match self.shared.wire {
            Wire::Anthropic => self.origin.clone(),
            Wire::OpenAi => format!("{}/v1", self.origin),
        }
    }

    /// Every request for an answer so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for ModelStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let refuse = |refusal| match shared.wire {
        Wire::Anthropic => anthropic::refuse(refusal),
        Wire::OpenAi => openai::refuse(refusal),
    };
    let key = match shared.wire {
        Wire::Anthropic => headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::to_owned),
        Wire::OpenAi => headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)),
    };
    if shared.key.is_some() && shared.key != key {
        return refuse(Refusal::WrongKey);
    }
    let wanted = match shared.wire {
        Wire::Anthropic => "/v1/messages",
        Wire::OpenAi => "/v1/chat/completions",
    };
    if uri.path() == "/v1/models" {
        return axum::Json(serde_json::json!({"object": "list", "data": [{"id": "stub-model", "object": "model"}]}))
            .into_response();
    }
    if uri.path() != wanted {
        return (StatusCode::NOT_FOUND, "404 page not found").into_response();
    }
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(_) => return (StatusCode::BAD_REQUEST, "not JSON").into_response(),
    };
    let wrong = match shared.wire {
        Wire::Anthropic => anthropic::fault_of(&headers, &body),
        Wire::OpenAi => openai::fault_of(&body),
    };
    let seen = Seen { path: uri.path().to_owned(), key, body };
    shared.seen.lock().unwrap().push(seen.clone());
    if let Some(wrong) = wrong {
        return match shared.wire {
            Wire::Anthropic => anthropic::bad_request(&wrong),
            Wire::OpenAi => openai::bad_request(&wrong),
        };
    }
    let reply = (shared.answer.lock().unwrap())(&seen);
    match reply {
        Reply::Refuse(refusal) => refuse(refusal),
        Reply::Raw(text) => stream_of(vec![Piece::Bytes(text)]),
        other => stream_of(match shared.wire {
            Wire::Anthropic => anthropic::events(&other),
            Wire::OpenAi => openai::events(&other),
        }),
    }
}

/// What happens next on the connection.
pub(super) enum Piece {
    Bytes(String),
    Pause(Duration),
    /// The connection breaks without the end of the body.
    Break,
    /// Nothing more, for ever.
    Hang,
}

fn stream_of(pieces: Vec<Piece>) -> Response {
    let body = stream::iter(pieces).filter_map(|piece| async move {
        match piece {
            Piece::Bytes(text) => {
                // A gap, so that each event arrives on its own.
                tokio::task::yield_now().await;
                Some(Ok(Bytes::from(text)))
            }
            Piece::Pause(pause) => {
                tokio::time::sleep(pause).await;
                None
            }
            Piece::Break => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)))
            }
            Piece::Hang => std::future::pending::<Option<Result<Bytes, std::io::Error>>>().await,
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], Body::from_stream(body)).into_response()
}

/// Turns a reply into pieces: a dialect gives the events for text and tools and how it begins and ends.
pub(super) fn pieces(
    reply: &Reply,
    begin: String,
    text: impl Fn(&str) -> String,
    calls: impl Fn(&[(String, Value)]) -> String,
    end: impl Fn(bool) -> String,
) -> Vec<Piece> {
    let mut out = vec![Piece::Bytes(begin)];
    match reply {
        Reply::Say(parts) => {
            out.extend(parts.iter().map(|part| Piece::Bytes(text(part))));
            out.push(Piece::Bytes(end(false)));
        }
        Reply::Slowly(parts, pause) => {
            for part in parts {
                out.push(Piece::Bytes(text(part)));
                out.push(Piece::Pause(*pause));
            }
            out.push(Piece::Bytes(end(false)));
        }
        Reply::Call(said, wanted) => {
            if !said.is_empty() {
                out.push(Piece::Bytes(text(said)));
            }
            out.push(Piece::Bytes(calls(wanted)));
            out.push(Piece::Bytes(end(true)));
        }
        Reply::Cut(said) => out.extend([Piece::Bytes(text(said)), Piece::Break]),
        Reply::Silent(said) => out.extend([Piece::Bytes(text(said)), Piece::Hang]),
        Reply::Refuse(_) | Reply::Raw(_) => {}
    }
    out
}
