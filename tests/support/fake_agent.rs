//! An agent of somebody else: a small HTTP server that notes what it gets and answers as told (S309).

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// One request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

type Answer = Box<dyn FnMut(&Seen) -> (u16, Value) + Send>;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    answer: Mutex<Answer>,
    /// Answers wait for it, where the agent holds them back.
    gate: Option<Notify>,
}

/// A running fake agent; ends when dropped.
pub struct FakeAgent {
    shared: Arc<Shared>,
    url: String,
    serving: JoinHandle<()>,
}

/// The reply of an agent that says `text`.
pub fn says(request: &Value, text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": request["id"], "result": {
        "kind": "message", "role": "agent", "messageId": format!("reply-to-{}", request["id"]),
        "parts": [{"kind": "text", "text": text}],
    }})
}

impl FakeAgent {
    /// Echoes the text of each message.
    pub async fn start() -> Self {
        Self::answering(|seen| {
            let text = seen.body.pointer("/params/message/parts/0/text").and_then(Value::as_str);
            (200, says(&seen.body, &format!("echo: {}", text.unwrap_or_default())))
        })
        .await
    }

    /// Answers with what `answer` makes of each request.
    pub async fn answering(answer: impl FnMut(&Seen) -> (u16, Value) + Send + 'static) -> Self {
        Self::run(answer, None).await
    }

    /// Takes messages and answers none before [`Self::release`], one answer a call.
    pub async fn holding() -> Self {
        Self::run(|seen| (200, says(&seen.body, "at last")), Some(Notify::new())).await
    }

    async fn run(answer: impl FnMut(&Seen) -> (u16, Value) + Send + 'static, gate: Option<Notify>) -> Self {
        let shared = Arc::new(Shared { seen: Mutex::default(), answer: Mutex::new(Box::new(answer)), gate });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, url, serving }
    }

    /// Lets one answer of a [`Self::holding`] agent out.
    pub fn release(&self) {
        self.shared.gate.as_ref().unwrap().notify_one();
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that came in so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The card it registers with.
    pub fn card(name: &str) -> Value {
        json!({"name": name, "description": "a fake", "version": "1.0.0", "skills": []})
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let seen = Seen { method, path: uri.path().to_owned(), headers, body };
    let (status, answer) = (shared.answer.lock().unwrap())(&seen);
    shared.seen.lock().unwrap().push(seen);
    if let Some(gate) = &shared.gate {
        gate.notified().await;
    }
    (StatusCode::from_u16(status).unwrap(), Json(answer)).into_response()
}
