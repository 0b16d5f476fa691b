//! `message/stream` through the door (R-19, 40 §10.3).

use std::sync::{Arc, Mutex};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use molecule_model::event::EventKind;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{agent::Agent, bed::Bed};

/// An agent whose stream is fed by the test.
struct Fed {
    agent: Agent,
    feeds: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>,
    opened: Arc<tokio::sync::Notify>,
}

impl Fed {
    async fn new() -> Self {
        let feeds: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>> = Arc::default();
        let opened = Arc::new(tokio::sync::Notify::new());
        let (all, open) = (Arc::clone(&feeds), Arc::clone(&opened));
        let agent = Agent::new(move |_| {
            let (sender, receiver) = mpsc::channel::<Bytes>(1);
            all.lock().unwrap().push(sender);
            open.notify_one();
            async move {
                let pieces = tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok::<_, std::io::Error>);
                Response::builder()
                    .header("content-type", "text/event-stream; charset=utf-8")
                    .body(Body::from_stream(pieces))
                    .unwrap()
            }
        })
        .await;
        Self { agent, feeds, opened }
    }

    fn feed(&self) -> mpsc::Sender<Bytes> {
        self.feeds.lock().unwrap().last().unwrap().clone()
    }

    async fn send(&self, result: Value) -> String {
        let event = event(result);
        self.feed().send(Bytes::from(event.clone())).await.unwrap();
        event
    }

    fn end(&self) {
        self.feeds.lock().unwrap().clear();
    }
}

fn event(result: Value) -> String {
    format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": "r1", "result": result}))
}

fn task() -> Value {
    json!({"kind": "task", "id": "t1", "contextId": "c1", "status": {"state": "submitted"}})
}

fn chunk(text: &str, append: bool) -> Value {
    json!({"kind": "artifact-update", "taskId": "t1", "contextId": "c1", "append": append, "lastChunk": false,
        "artifact": {"artifactId": "reply", "parts": [{"kind": "text", "text": text}]}})
}

fn done(text: &str) -> Value {
    json!({"kind": "status-update", "taskId": "t1", "contextId": "c1", "final": true, "status": {"state": "completed", "message":
        {"kind": "message", "role": "agent", "messageId": "a1", "taskId": "t1", "contextId": "c1", "parts": [{"kind": "text", "text": text}],
         "metadata": {"tool_trace": [{"tool": "look"}]}, "usage": {"input_tokens": 5, "output_tokens": 2}}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_each_event_passes_before_the_next_is_made() {
    let bed = Bed::new().await;
    let fed = Fed::new().await;
    let a = bed.agent("Talker", None, &fed.agent.url).await;
    let mut events = bed.events();
    let sending = tokio::spawn(bed.stream(a.id, "hi").send());
    fed.opened.notified().await;
    let first = fed.send(task()).await;
    let answer = sending.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut pieces = answer.bytes_stream();
    let mut read = async |want: &str| {
        let mut text = String::new();
        while text.len() < want.len() {
            text.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
        }
        assert_eq!(text, want);
    };
    read(&first).await;
    // A reloaded screen knows which task to stop.
    let now = bed.read(&format!("/workspaces/{}/inflight", a.id)).await;
    assert_eq!(now[0]["task_id"], "t1");
    for (n, word) in ["Hel", "lo ", "you"].iter().enumerate() {
        let sent = fed.send(chunk(word, n > 0)).await;
        read(&sent).await;
    }
    let last = fed.send(done("Hello you")).await;
    read(&last).await;
    assert!(bed.activity(a.id).await.is_empty(), "the row comes at the end");
    fed.end();
    assert!(pieces.next().await.is_none());
    // The end of the stream is read only after the row was committed (R-47).
    let row = &bed.activity(a.id).await[0];
    assert_eq!((&row["method"], &row["status"]), (&json!("message/stream"), &json!("ok")));
    assert_eq!(row["response_body"]["result"]["parts"][0]["text"], "Hello you");
    assert_eq!(row["tool_trace"], json!([{"tool": "look"}]));
    let response = events.next(EventKind::A2aResponse).await;
    assert_eq!(response.envelope.payload.fields()["response_body"], row["response_body"]);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_a_reader_who_leaves_does_not_end_the_turn() {
    let bed = Bed::new().await;
    let fed = Fed::new().await;
    let a = bed.agent("Talker", None, &fed.agent.url).await;
    let mut events = bed.events();
    let sending = tokio::spawn(bed.stream(a.id, "hi").send());
    fed.opened.notified().await;
    fed.send(task()).await;
    let answer = sending.await.unwrap().unwrap();
    let mut pieces = answer.bytes_stream();
    pieces.next().await.unwrap().unwrap();
    drop(pieces);
    for n in 0..200 {
        fed.send(chunk(&format!("word{n} "), n > 0)).await;
    }
    let feed = fed.feed();
    feed.send(Bytes::from(event(
        json!({"kind": "status-update", "taskId": "t1", "final": true, "status": {"state": "completed"}}),
    )))
    .await
    .unwrap();
    drop(feed);
    fed.end();
    let logged = events.next(EventKind::ActivityLogged).await;
    let payload = logged.envelope.payload.fields();
    let text = payload["response_body"]["result"]["artifacts"][0]["parts"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("word0 word1 ") && text.ends_with("word199 "), "{text}");
    assert_eq!(bed.activity(a.id).await[0]["status"], "ok");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_agent_down() {
    let bed = Bed::new().await;
    let fed = Fed::new().await;
    let a = bed.agent("Talker", None, &fed.agent.url).await;
    let sending = tokio::spawn(bed.stream(a.id, "hi").send());
    fed.opened.notified().await;
    fed.send(task()).await;
    let answer = sending.await.unwrap().unwrap();
    // Nobody reads: the buffers fill up and the agent has to wait.
    let big = event(chunk(&"x".repeat(256 * 1024), true));
    let feed = fed.feed();
    let mut sent = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(500), feed.send(Bytes::from(big.clone()))).await.is_ok()
    {
        sent += 1;
        assert!(sent < 200, "50 MB were taken for a reader who takes nothing");
    }
    drop(answer);
    drop(feed);
    fed.end();
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_says_so_and_keeps_what_came() {
    let bed = Bed::new().await;
    let fed = Fed::new().await;
    let a = bed.agent("Talker", None, &fed.agent.url).await;
    let sending = tokio::spawn(bed.stream(a.id, "hi").send());
    fed.opened.notified().await;
    fed.send(task()).await;
    let answer = sending.await.unwrap().unwrap();
    fed.send(chunk("half a sen", false)).await;
    fed.feed().send(Bytes::from_static(b"data: {\"jsonrpc\":\"2.0\",\"res")).await.unwrap();
    fed.end();
    let text = answer.text().await.unwrap();
    let events = text.trim().split("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    assert!(
        events.map(serde_json::from_str::<Value>).all(|event| event.is_ok()),
        "half an event was handed on: {text}"
    );
    let last: Value = serde_json::from_str(text.trim().rsplit("data: ").next().unwrap()).unwrap();
    assert_eq!(last["id"], "r1");
    assert_eq!(last["error"]["data"]["code"], "stream_cut");
    let row = &bed.activity(a.id).await[0];
    assert_eq!(
        (&row["status"], &row["error_detail"]),
        (&json!("error"), &json!("the agent's stream ended before its last event"))
    );
    assert!(row["response_body"].to_string().contains("half a sen"));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_stream_answers_as_it_can() {
    let bed = Bed::new().await;
    let agent = Agent::new(|_| async {
        r#"{"jsonrpc":"2.0","id":"r1","error":{"code":-32004,"message":"no streams"}}"#.into_response()
    })
    .await;
    let a = bed.agent("Plain", None, &agent.url).await;
    let answer = bed.stream(a.id, "hi").send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], -32004);
    bed.stop().await;
}
