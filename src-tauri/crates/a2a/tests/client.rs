//! The client against agents and platforms that answer as the contract says, and worse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says so")]

use std::time::Duration;

use futures_util::StreamExt as _;
use molecule_a2a::{
    Client, ClientError, Dialect,
    client::{ANSWER_LIMIT, Http, Sent},
    jsonrpc::RpcError,
    wire::{Event, Message, SendParams, TaskParams, TaskState},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header, method, path},
};

fn http() -> Http {
    Http::new(Duration::from_secs(5)).unwrap()
}

fn hello() -> SendParams {
    SendParams::new(Message::user("m", "hello"))
}

fn task() -> TaskParams {
    TaskParams::new("t")
}

async fn answering(answer: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let client = http().agent(server.uri());
    (server, client)
}

fn result(result: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"jsonrpc": "2.0", "id": "x", "result": result}))
}

fn events(data: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(data.to_owned(), "text/event-stream; charset=utf-8")
}

async fn failure(answer: ResponseTemplate) -> ClientError {
    let (_server, client) = answering(answer).await;
    client.send(&hello(), None).await.unwrap_err()
}

#[tokio::test]
async fn a_message_is_sent_with_who_asks_and_the_answer_is_read() {
    let (server, client) = answering(result(json!({"kind": "message", "role": "agent", "messageId": "a",
        "parts": [{"kind": "text", "text": "hi"}]})))
    .await;
    let client = client.with_bearer(SecretString::from("token-7")).as_workspace("w-1");
    let Sent::Answered(event) = client.send(&hello(), Some(Duration::from_secs(5))).await.unwrap() else { panic!() };
    assert_eq!(*event, Event::Message(Message::agent("a", "hi")));

    let requests = server.received_requests().await.unwrap();
    let request = &requests[0];
    assert_eq!(request.headers["authorization"], "Bearer token-7");
    assert_eq!(request.headers["x-workspace-id"], "w-1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(request.headers.get("a2a-version").is_none());
    let mut body: Value = serde_json::from_slice(&request.body).unwrap();
    assert!(body["id"].take().is_string());
    assert_eq!(
        body,
        json!({"jsonrpc": "2.0", "id": null, "method": "message/send", "params": {"message": {"kind": "message",
            "role": "user", "messageId": "m", "parts": [{"kind": "text", "text": "hello"}]}}})
    );
}

#[tokio::test]
async fn r18_a_v1_agent_is_spoken_to_in_v1() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(header("A2A-Version", "1.0"))
        .and(body_partial_json(json!({"method": "SendMessage", "params": {"message": {"role": "ROLE_USER", "parts": [{"text": "hello"}]}}})))
        .respond_with(result(json!({"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}}})))
        .expect(1)
        .mount(&server)
        .await;
    let sent = http().agent(server.uri()).speaking(Dialect::V1).send(&hello(), None).await.unwrap();
    let Sent::Answered(event) = sent else { panic!() };
    let Event::Task(task) = *event else { panic!() };
    assert_eq!((task.id.as_str(), task.status.state), ("t", TaskState::Completed));
}

#[tokio::test]
async fn what_a_platform_parks_is_no_failure() {
    let queued = json!({"queued": true, "queue_id": "q", "queue_depth": 3, "message": "workspace agent busy"});
    let (_server, client) = answering(ResponseTemplate::new(202).set_body_json(queued)).await;
    let sent = client.send(&hello(), None).await.unwrap();
    assert_eq!(sent, Sent::Queued { queue_id: "q".into(), queue_depth: 3 });

    let polled = json!({"status": "queued", "delivery_mode": "poll", "method": "message/send"});
    let (_server, client) = answering(ResponseTemplate::new(200).set_body_json(polled)).await;
    assert_eq!(client.send(&hello(), None).await.unwrap(), Sent::Polled);

    // Half of that answer is none.
    for other in [json!({"status": "queued"}), json!({"delivery_mode": "poll"})] {
        let (_server, client) = answering(ResponseTemplate::new(200).set_body_json(other)).await;
        assert!(matches!(client.send(&hello(), None).await, Err(ClientError::Malformed)));
    }
}

#[tokio::test]
async fn refusals_say_why_and_when_to_try_again() {
    let busy = json!({"error": "workspace agent busy", "busy": true, "retry_after": 30});
    let ClientError::Refused { status, error, retry_after, code } =
        failure(ResponseTemplate::new(503).set_body_json(busy)).await
    else {
        panic!()
    };
    assert_eq!((status, error.as_str(), code), (503, "workspace agent busy", None));
    assert_eq!(retry_after, Some(Duration::from_secs(30)));

    let looping = json!({"error": "too far", "code": "loop_detected"});
    let loops = failure(ResponseTemplate::new(508).set_body_json(looping).insert_header("Retry-After", "7")).await;
    let ClientError::Refused { code, retry_after, .. } = loops else { panic!() };
    assert_eq!((code.as_deref(), retry_after), (Some("loop_detected"), Some(Duration::from_secs(7))));

    for body in ["<html>", "{\"error\":{\"message\":\"x\"}}", ""] {
        let ClientError::Refused { error, .. } = failure(ResponseTemplate::new(502).set_body_string(body)).await else {
            panic!()
        };
        assert_eq!(error, "Bad Gateway");
    }
}

#[tokio::test]
async fn o6_redirects_are_refused_and_not_followed() {
    let elsewhere = MockServer::start().await;
    let answer = ResponseTemplate::new(307).insert_header("Location", elsewhere.uri());
    assert!(matches!(failure(answer).await, ClientError::Refused { status: 307, .. }));
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn errors_of_the_agent_are_told_apart_from_nonsense() {
    let said = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no key", "data": {"code": "model_key_missing"}}});
    let ClientError::Rpc(error) = failure(ResponseTemplate::new(200).set_body_json(said)).await else { panic!() };
    assert_eq!(*error, RpcError::new(-32000, "no key").with_data(json!({"code": "model_key_missing"})));
    for body in ["", "<html>", "[]", "{\"result\":1}", "{\"jsonrpc\":\"2.0\",\"result\":{\"kind\":\"weather\"}}"] {
        let error = failure(ResponseTemplate::new(200).set_body_string(body)).await;
        assert!(matches!(error, ClientError::Malformed), "{body}: {error}");
    }
    let endless = ResponseTemplate::new(200).set_body_bytes(vec![b' '; ANSWER_LIMIT + 1]);
    assert!(matches!(failure(endless).await, ClientError::TooLarge));
}

#[tokio::test]
async fn nobody_there_and_too_late_are_two_things_and_name_no_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/as/secret-capability", listener.local_addr().unwrap());
    // Accepted by the system, answered by nobody.
    let late = http().agent(&*url).send(&hello(), Some(Duration::from_millis(50))).await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout), "{late}");
    drop(listener);
    let gone = http().agent(&*url).send(&hello(), None).await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable), "{gone}");
    for text in [format!("{late} {late:?}"), format!("{gone} {gone:?}"), format!("{:?}", http().agent(&*url))] {
        assert!(!text.contains("secret") && !text.contains("127.0.0.1"), "{text}");
    }
}

#[tokio::test]
async fn a_stream_is_read_event_by_event() {
    let data = [
        r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"task","id":"t","contextId":"c","status":{"state":"submitted"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"artifactUpdate":{"taskId":"t","artifact":{"artifactId":"a","parts":[{"text":"x"}]}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","taskId":"t","status":{"state":"completed"},"final":true}}"#,
    ];
    let body = format!(": hello\n\ndata: {}\r\n\r\ndata: {}\n\ndata: {}", data[0], data[1], data[2]);
    let (server, client) = answering(events(&body)).await;
    let seen: Vec<Event> = client.stream(&hello()).await.unwrap().map(Result::unwrap).collect().await;
    assert!(matches!(seen[..], [Event::Task(_), Event::Artifact(_), Event::Status(_)]));
    assert!(seen[2].is_last());
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].headers["accept"], "text/event-stream");
    assert!(String::from_utf8_lossy(&requests[0].body).contains("message/stream"));
}

#[tokio::test]
async fn a_stream_ends_with_its_first_error() {
    let data = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no\"}}\n\ndata: {}\n\n";
    let (_server, client) = answering(events(data)).await;
    let seen: Vec<_> = client.stream(&hello()).await.unwrap().collect().await;
    assert!(matches!(&seen[..], [Err(ClientError::Rpc(_))]), "{}", seen.len());

    let (_server, client) = answering(events("data: nonsense\n\n")).await;
    let seen: Vec<_> = client.resubscribe(&task()).await.unwrap().collect().await;
    assert!(matches!(&seen[..], [Err(ClientError::Malformed)]));
}

#[tokio::test]
async fn an_agent_that_does_not_stream_gives_one_event() {
    let (_server, client) =
        answering(result(json!({"kind": "message", "role": "agent", "messageId": "a", "parts": []}))).await;
    let seen: Vec<_> = client.stream(&hello()).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(seen, [Event::Message(Message::new(molecule_a2a::wire::Role::Agent, "a", vec![]))]);
}

#[tokio::test]
async fn tasks_are_asked_for_and_stopped() {
    let server = MockServer::start().await;
    let canceled = json!({"kind": "task", "id": "t", "contextId": "c", "status": {"state": "canceled"}});
    Mock::given(body_partial_json(json!({"method": "tasks/cancel", "params": {"id": "t"}})))
        .respond_with(result(canceled))
        .mount(&server)
        .await;
    let missing = ResponseTemplate::new(200)
        .set_body_json(json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "task not found: t"}}));
    Mock::given(body_partial_json(json!({"method": "tasks/get"}))).respond_with(missing).mount(&server).await;
    let client = http().agent(server.uri());
    assert_eq!(client.cancel(&task()).await.unwrap().status.state, TaskState::Canceled);
    let ClientError::Rpc(error) = client.get_task(&task()).await.unwrap_err() else { panic!() };
    assert_eq!(*error, RpcError::task_not_found("t"));
}

#[tokio::test]
async fn the_card_is_found_in_each_of_its_places() {
    for place in ["/a2a/inbound/.well-known/agent-card.json", "/.well-known/agent-card.json", "/.well-known/agent.json"]
    {
        let server = MockServer::start().await;
        let card = ResponseTemplate::new(200).set_body_json(json!({"name": place}));
        Mock::given(method("GET")).and(path(place)).respond_with(card).mount(&server).await;
        let card = http().agent(format!("{}/a2a/inbound/", server.uri())).card().await.unwrap();
        assert_eq!(card["name"], place);
    }
    let server = MockServer::start().await;
    let none = http().agent(server.uri()).card().await.unwrap_err();
    assert!(matches!(none, ClientError::Refused { status: 404, .. }));
    assert_eq!(server.received_requests().await.unwrap().len(), 2, "the root is asked once by each name");
}
