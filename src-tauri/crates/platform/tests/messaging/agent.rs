//! An agent: an HTTP server that does what a test says with each message it gets.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What an agent was sent.
#[derive(Clone, Debug)]
pub struct Got {
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

type Handler = Arc<dyn Fn(Got) -> BoxFuture<'static, Response> + Send + Sync>;

#[derive(Clone)]
pub struct Agent {
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Agent {
    pub async fn new<F, W>(handler: F) -> Self
    where
        F: Fn(Got) -> W + Send + Sync + 'static,
        W: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, handler)
    }

    pub fn on<F, W>(listener: TcpListener, handler: F) -> Self
    where
        F: Fn(Got) -> W + Send + Sync + 'static,
        W: Future<Output = Response> + Send + 'static,
    {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let handler: Handler = Arc::new(move |got| handler(got).boxed());
        let router = Router::new().fallback(serve).with_state((handler, Arc::clone(&got)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got }
    }

    /// Answers every message with a message that says `text`.
    pub async fn saying(text: &'static str) -> Self {
        Self::new(move |got| async move { reply(&got, text).into_response() }).await
    }

    /// Answers with this status and body.
    pub async fn answering(status: u16, body: &'static str) -> Self {
        Self::new(move |_| async move {
            Response::builder()
                .status(status)
                .header("location", "http://169.254.169.254/")
                .body(Body::from(body))
                .unwrap()
        })
        .await
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn serve(State((handler, got)): State<(Handler, Arc<Mutex<Vec<Got>>>)>, request: Request) -> Response {
    let headers = request.headers().clone();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let this = Got { headers, text: String::from_utf8(body.to_vec()).unwrap() };
    got.lock().unwrap().push(this.clone());
    handler(this).await
}

/// The answer of a well-behaved v0.3 agent, byte for byte.
pub fn reply(got: &Got, text: &str) -> String {
    let id = got.json()["id"].clone();
    json!({"jsonrpc": "2.0", "id": id, "result": {"kind": "message", "role": "agent", "messageId": "a1",
        "parts": [{"kind": "text", "text": text}],
        "metadata": {"tool_trace": [{"tool": "look", "status": "ok"}]},
        "usage": {"input_tokens": 10, "output_tokens": 3}}})
    .to_string()
}
