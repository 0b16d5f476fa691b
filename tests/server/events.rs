//! `/ws`: every change once, numbered, and resumed exactly (R-20, R-87, 10 §15).

use serde_json::{Value, json};

use crate::support::{Events, NOBODY, TestServer};

async fn external(server: &TestServer, name: &str) -> String {
    let body = json!({"name": name, "external": true});
    let row = server.admin().post("/workspaces", &body).await.expect(201);
    row["id"].as_str().unwrap().to_owned()
}

fn numbered(events: &[Value]) -> Vec<i64> {
    events.iter().filter_map(|event| event["seq"].as_i64()).collect()
}

#[tokio::test]
async fn r20_a_client_that_was_away_gets_exactly_what_it_missed() {
    let server = TestServer::start().await;
    let mut live = server.events(None).await;
    let first = external(&server, "First").await;
    live.of("WORKSPACE_AWAITING_AGENT", &first).await;
    let left_at = live.last_seq().unwrap();

    let (second, third) = (external(&server, "Second").await, external(&server, "Third").await);
    live.of("WORKSPACE_AWAITING_AGENT", &third).await;
    let missed: Vec<Value> =
        live.seen.iter().filter(|event| event["seq"].as_i64().is_some_and(|seq| seq > left_at)).cloned().collect();
    assert!(missed.iter().any(|event| event["workspace_id"] == second.as_str()));

    let mut back = server.events(Some(left_at)).await;
    back.of("WORKSPACE_AWAITING_AGENT", &third).await;
    assert_eq!(back.seen, missed, "the same events, in the same order, none twice");
    let numbers = numbered(&back.seen);
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");

    let fourth = external(&server, "Fourth").await;
    back.of("WORKSPACE_AWAITING_AGENT", &fourth).await;
    let numbers = numbered(&back.seen);
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "live events follow: {numbers:?}");
}

#[tokio::test]
async fn r20_resuming_works_across_kill_9() {
    let mut server = TestServer::start().await;
    let mut live = server.events(None).await;
    let first = external(&server, "First").await;
    live.of("WORKSPACE_AWAITING_AGENT", &first).await;
    let left_at = live.last_seq().unwrap();
    let second = external(&server, "Second").await;
    server.kill9();
    server.restart().await;
    let mut back = server.events(Some(left_at)).await;
    let event = back.of("WORKSPACE_AWAITING_AGENT", &second).await;
    assert!(event["seq"].as_i64().unwrap() > left_at);
}

#[tokio::test]
async fn r20_a_number_that_we_never_gave_asks_for_the_snapshot() {
    let server = TestServer::start().await;
    for since in [-1, 1_000_000] {
        let mut socket = server.events(Some(since)).await;
        let first = socket.next().await.unwrap();
        assert_eq!(first["event"], "RESYNC", "since={since}");
    }
}

#[tokio::test]
async fn r87_every_frame_has_all_four_keys() {
    let server = TestServer::start().await;
    let mut live = server.events(None).await;
    let id = external(&server, "Framed").await;
    live.of("WORKSPACE_AWAITING_AGENT", &id).await;
    server.admin().post("/app/accept-agents", &json!({"minutes": 1})).await.expect(200);
    live.until("an event about no workspace", |event| event["workspace_id"] == "").await;
    for event in &live.seen {
        assert!(event["event"].is_string() && event["workspace_id"].is_string(), "{event}");
        assert!(
            event["timestamp"].as_str().is_some_and(|time| time.len() == 27 && time.ends_with('Z')),
            "R-1: {event}"
        );
        assert!(event["payload"].is_object(), "{event}");
    }
}

/// 10 §15.2: an agent hears itself, its parent, its children and its siblings, and nobody else.
#[tokio::test]
async fn contract_10_15_an_agent_hears_its_relatives_only() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let child = |parent: String, name: &'static str| {
        let admin = admin.clone();
        async move {
            let body = json!({"name": name, "external": true, "parent_id": parent});
            admin.post("/workspaces", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
        }
    };
    let root = external(&server, "Root").await;
    let (me, stranger) = (child(root.clone(), "Me").await, external(&server, "Stranger").await);
    let token = admin.post(&format!("/workspaces/{me}/tokens"), &json!({})).await.expect(201);
    let mut socket = Events::open(&server.url(), token["auth_token"].as_str().unwrap(), None).await.unwrap();
    let say = |id: String| {
        let admin = admin.clone();
        async move {
            let body = json!({"message": "hello"});
            admin.post(&format!("/workspaces/{id}/notify"), &body).await.expect(200);
        }
    };
    say(stranger.clone()).await;
    say(root.clone()).await;
    let sibling = child(root.clone(), "Sibling").await;
    say(sibling.clone()).await;
    say(me.clone()).await;
    socket.of("AGENT_MESSAGE", &me).await;
    let about: Vec<&str> = socket.seen.iter().filter_map(|event| event["workspace_id"].as_str()).collect();
    assert!(about.contains(&root.as_str()) && about.contains(&sibling.as_str()), "{about:?}");
    assert!(!about.contains(&stranger.as_str()), "{about:?}");
}

/// 10 §14.5: one workspace's events as `data:` frames, after a first comment; R-20 for the numbers.
#[tokio::test]
async fn s168_contract_10_14_the_stream_of_one_workspace() {
    use futures_util::StreamExt;

    let server = TestServer::start().await;
    let (mine, other) = (external(&server, "Mine").await, external(&server, "Other").await);
    let admin = server.admin();
    let since = server.state().await["event_seq"].as_i64().unwrap();
    let path = format!("/workspaces/{mine}/events/stream?since={since}");
    let answer = admin.request(reqwest::Method::GET, &path).send().await.unwrap();
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
    {
        assert_eq!(answer.headers()[name], value);
    }
    for (id, words) in [(&other, "not for you"), (&mine, "first"), (&mine, "second")] {
        let body = json!({"message": words});
        admin.post(&format!("/workspaces/{id}/notify"), &body).await.expect(200);
    }
    let mut stream = answer.bytes_stream();
    let mut text = String::new();
    while text.matches("data: ").count() < 2 {
        let piece = tokio::time::timeout(crate::support::SOON, stream.next()).await;
        text.push_str(&String::from_utf8_lossy(&piece.expect("no frame came").unwrap().unwrap()));
    }
    let frames: Vec<&str> = text.split_inclusive("\n\n").collect();
    assert_eq!(frames[0], ": ping\n\n", "{text:?}");
    let frames: Vec<Value> =
        frames[1..].iter().map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap()).collect();
    let said: Vec<&str> = frames.iter().filter_map(|frame| frame["data"]["message"].as_str()).collect();
    assert_eq!(said, ["first", "second"], "{text}");
    assert!(frames.iter().all(|frame| frame["timestamp"].is_i64() && frame["type"] == "AGENT_MESSAGE"), "{text}");
    let numbers = numbered(&frames);
    assert!(numbers.len() == 2 && since < numbers[0] && numbers[0] < numbers[1], "{text}");
    let missing = admin.get(&format!("/workspaces/{NOBODY}/events/stream")).await;
    missing.expect(404);
}

#[tokio::test]
async fn s2_a_socket_needs_a_credential() {
    let server = TestServer::start().await;
    for bearer in ["guess", ""] {
        assert!(Events::open(&server.url(), bearer, None).await.is_err(), "{bearer:?}");
    }
    let canvas = server.canvas().await;
    assert!(Events::open(&server.url(), canvas.bearer().unwrap(), None).await.is_ok());
    server.admin().get(&format!("/events/{NOBODY}")).await.expect(200);
}

#[tokio::test]
async fn target_p6_a_client_that_slept_through_megabytes_gets_each_event_once_and_in_order() {
    let server = TestServer::start().await;
    let id = external(&server, "Talker").await;
    let since = server.state().await["event_seq"].as_i64().unwrap();
    let mut sleeper = server.events(Some(since)).await;
    // More than the sockets of both sides hold and far more than the bus does.
    let report = json!({"activity_type": "agent_log", "metadata": {"text": "x".repeat(100_000)}});
    for _ in 0..200 {
        server.admin().post(&format!("/workspaces/{id}/activity"), &report).await.expect(200);
    }
    let last = server.state().await["event_seq"].as_i64().unwrap();
    sleeper.until("the newest event", |event| event["seq"] == last).await;
    assert_eq!(numbered(&sleeper.seen), (since + 1..=last).collect::<Vec<_>>());
    assert!(sleeper.seen.iter().all(|event| event["event"] != "RESYNC"));
}
