//! The busy queue (10 §10, S144–S158).

mod stuck;

use std::sync::Arc;

use axum::response::Response;
use molecule_a2a::normalise;
use molecule_model::{Timestamp, WorkspaceId, event::EventKind, id, wire::DeliveryMode};
use molecule_platform::{
    ManualClock, SystemClock,
    messaging::{Delivery, Options, Sender, deliver, queue::sweep_once},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    bed::{Bed, Known, PATIENCE, message},
    moody::{Mood, Moody},
};

const QUEUED: &str = "workspace agent busy — request queued, will dispatch when capacity available";

impl Bed {
    /// The person says it, and the agent is busy.
    async fn park(&self, to: &Known, text: &str) -> String {
        parked(self.say(to.id, text).send().await.unwrap()).await
    }

    /// As another agent.
    fn ask(&self, from: &Known, to: &Known, text: &str) -> reqwest::RequestBuilder {
        let path = format!("/workspaces/{}/a2a", to.id);
        self.post(&path).bearer_auth(&from.token).json(&message("message/send", text))
    }

    async fn beat(&self, of: &Known) {
        self.beat_with(of, json!({})).await;
    }

    async fn beat_with(&self, of: &Known, more: Value) {
        let mut beat = json!({"workspace_id": of.id, "active_tasks": 0});
        beat.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.post("/registry/heartbeat").bearer_auth(&of.token).json(&beat).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn item(&self, to: &Known, queue_id: &str) -> Value {
        self.read(&format!("/workspaces/{}/a2a/queue/{queue_id}", to.id)).await
    }

    /// Waits until the row looks like this.
    async fn until(&self, to: &Known, queue_id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let item = self.item(to, queue_id).await;
            if wanted(&item) {
                return item;
            }
            assert!(began.elapsed() < PATIENCE, "it stays {item}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn queued(&self) -> i64 {
        let count = |conn: &molecule_store::rusqlite::Connection| {
            Ok(conn.query_row("SELECT count(*) FROM a2a_queue", [], |row| row.get(0))?)
        };
        self.app.store.read(count).await.unwrap()
    }
}

async fn parked(answer: reqwest::Response) -> String {
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["queued"], &body["message"]), (&json!(true), &json!(QUEUED)), "{body}");
    body["queue_id"].as_str().unwrap().to_owned()
}

fn is(status: &str) -> impl Fn(&Value) -> bool {
    move |item| item["status"] == status
}

#[tokio::test(flavor = "multi_thread")]
async fn s144_s145_s148_o14_a_busy_agent_has_its_message_queued() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Busy", None, &agent.url).await;
    let mut events = bed.events();
    let answer = bed.say(a.id, "one").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let body: Value = answer.json().await.unwrap();
    let id = body["queue_id"].as_str().unwrap().to_owned();
    assert_eq!(body, json!({"queued": true, "queue_id": id, "queue_depth": 1, "message": QUEUED}));
    // The attempt is logged and told; it was not answered (R-97).
    let logged = events.next(EventKind::ActivityLogged).await;
    assert_eq!(
        (&logged.envelope.payload.fields()["status"], &logged.envelope.payload.fields()["duration_ms"]),
        (&json!("error"), &json!(null))
    );
    let row = &bed.activity(a.id).await[0];
    let why = "the agent closed the connection before it answered";
    assert_eq!(
        (&row["status"], &row["error_detail"], &row["duration_ms"]),
        (&json!("error"), &json!(why), &json!(null))
    );
    let told = events.next(EventKind::WorkspaceUpdated).await;
    assert_eq!(told.envelope.payload.fields(), json!({"queued_messages": 1}));
    assert_eq!(bed.read(&format!("/workspaces/{}", a.id)).await["queued_messages"], 1);
    assert_eq!(bed.read("/workspaces").await[0]["queued_messages"], 1);
    let item = bed.item(&a, &id).await;
    assert_eq!((&item["status"], &item["attempts"], &item["priority"]), (&json!("queued"), &json!(0), &json!(50)));
    // The same message again is that row; and a renewed busy answer to it is no attempt (O-14).
    let again: Value = bed.say(a.id, "one").send().await.unwrap().json().await.unwrap();
    assert_eq!(again["queue_id"], json!(id));
    for beats in 1..=7 {
        let before = agent.heard(&Mood::Busy).len();
        bed.beat(&a).await;
        agent.until(before + 1).await;
        let item = bed.until(&a, &id, is("queued")).await;
        assert_eq!(item["attempts"], 0, "{beats}");
    }
    assert_eq!(bed.queued().await, 1);
    // A screen that is reloaded sees it wait.
    let waiting = bed.read(&format!("/workspaces/{}/inflight", a.id)).await;
    assert_eq!((&waiting[0]["message_id"], &waiting[0]["queued"]), (&json!("m-one"), &json!(true)));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s146_what_keeps_its_own_session_is_never_queued() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Native", None, &agent.url).await;
    bed.beat_with(&a, json!({"runtime_metadata": {"capabilities": {"session": true}}})).await;
    let answer = bed.say(a.id, "one").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "30"));
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"error": "workspace agent busy — adapter handles retry (native_session)", "busy": true, "retry_after": 30,
            "native_session": true})
    );
    assert_eq!(bed.activity(a.id).await[0]["status"], "error", "the busy answer is logged all the same");
    assert_eq!(bed.queued().await, 0);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s147_what_cannot_be_queued_is_told_to_retry() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Busy", None, &agent.url).await;
    let legacy =
        json!({"error": "workspace agent busy — retry after a short backoff", "busy": true, "retry_after": 30});
    // A caller without an id.
    let body = normalise(message("message/send", "note").to_string().as_bytes(), &mut id::fresh).unwrap();
    let sender = Sender::System("system:test");
    let delivery = Delivery { sender, target: a.id, message: body, options: Options::default() };
    let refused = deliver(&bed.app, delivery).await.err().unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.get("busy"), refused.get("native_session")),
        (503, Some(&json!(true)), None)
    );
    // The row cannot be written.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON a2a_queue BEGIN SELECT RAISE(ABORT, 'no'); END";
    bed.sql(refuse, Vec::new()).await;
    let answer = bed.say(a.id, "one").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "30"));
    assert_eq!(answer.json::<Value>().await.unwrap(), legacy);
    let rows = bed.activity(a.id).await;
    assert_eq!((rows.len(), &rows[0]["status"]), (2, &json!("error")));
    assert_eq!(bed.read(&format!("/workspaces/{}/inflight", a.id)).await, json!([]));
    assert_eq!(bed.queued().await, 0);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s149_s151_s154_o15_it_is_delivered_when_the_agent_is_free_and_in_order() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    // Deep below, where no agent of the person's own level may speak (S154).
    let root = bed.workspace("Root", None).await;
    let middle = bed.workspace("Middle", Some(root.id)).await;
    let a = bed.agent("Deep", Some(middle.id), &agent.url).await;
    let first = bed.park(&a, "p1").await;
    parked(bed.ask(&middle, &a, "m1").send().await.unwrap()).await;
    // What comes after one that waits goes behind it, free or not: it is not sent.
    agent.is(Mood::Hanging);
    bed.beat_with(&a, json!({"active_tasks": 1})).await;
    for text in ["p2", "p3"] {
        bed.park(&a, text).await;
    }
    parked(bed.ask(&middle, &a, "m2").send().await.unwrap()).await;
    assert!(agent.heard(&Mood::Hanging).is_empty());
    let row = &bed.activity(a.id).await[0];
    assert_eq!((&row["status"], &row["duration_ms"]), (&json!("queued"), &json!(null)));
    assert_eq!(row["summary"], "message/send → Deep (queued behind earlier messages)");
    agent.is(Mood::Free);
    let mut events = bed.events();
    bed.beat(&a).await;
    agent.until(7).await;
    let heard = agent.heard(&Mood::Free);
    let of = |prefix: &str| heard.iter().filter(|text| text.starts_with(prefix)).cloned().collect::<Vec<_>>();
    assert_eq!((of("p"), of("m")), (vec!["p1".into(), "p2".into(), "p3".into()], vec!["m1".into(), "m2".into()]));
    // The person's own have their row and their event (O-15), an agent's have none.
    let told = events.next(EventKind::A2aResponse).await;
    assert_eq!(told.envelope.payload.fields()["response_body"]["result"]["parts"][0]["text"], "did p1");
    assert!(told.envelope.payload.fields()["duration_ms"].as_i64().unwrap() >= 1);
    let item = bed.until(&a, &first, is("completed")).await;
    assert_eq!((&item["attempts"], &item["last_error"]), (&json!(1), &json!(null)));
    assert!(item["completed_at"].is_string() && item.get("response_body").is_none());
    for text in ["did p2", "did p3"] {
        let told = events.next(EventKind::A2aResponse).await;
        assert_eq!(told.envelope.payload.fields()["response_body"]["result"]["parts"][0]["text"], text);
    }
    let rows = bed.activity(a.id).await;
    let ok: Vec<_> = rows.iter().filter(|row| row["status"] == "ok").collect();
    assert_eq!(ok.len(), 3);
    assert_eq!((&ok[2]["summary"], &ok[2]["source_id"]), (&json!("message/send → Deep"), &json!(null)));
    assert_eq!(ok[2]["tool_trace"], json!([{"tool": "look"}]));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s150_s151_what_fails_is_tried_five_times_and_says_why() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let root = bed.workspace("Root", None).await;
    let a = bed.agent("Sour", Some(root.id), &agent.url).await;
    let id = bed.park(&a, "one").await;
    let sour = [
        (Mood::Sour(500, r#"{"error":"out of paper"}"#), "out of paper"),
        (Mood::Sour(500, r#"{"error":{"code":-32000}}"#), "Internal Server Error"),
        (Mood::Sour(429, "null"), "Too Many Requests"),
        (Mood::Sour(404, ""), "Not Found"),
    ];
    for (attempt, (mood, why)) in sour.into_iter().enumerate() {
        agent.is(mood);
        bed.beat(&a).await;
        let item = bed.until(&a, &id, |item| item["attempts"] == attempt + 1 && item["status"] == "queued").await;
        assert_eq!((&item["last_error"], &item["dispatched_at"]), (&json!(why), &json!(null)));
    }
    // Budget is asked again (S151); this was the fifth, and the person reads of it.
    bed.sql("UPDATE workspaces SET budget_limit = 0 WHERE id = ?1", vec![a.id.to_string()]).await;
    let mut events = bed.events();
    bed.beat(&a).await;
    let item = bed.until(&a, &id, is("failed")).await;
    let why = "workspace budget limit exceeded";
    assert_eq!((&item["attempts"], &item["last_error"]), (&json!(5), &json!(why)));
    let told = events.next(EventKind::ActivityLogged).await;
    assert_eq!(
        (&told.envelope.payload.fields()["status"], &told.envelope.payload.fields()["error_detail"]),
        (&json!("error"), &json!(why))
    );
    // Hierarchy too: who may no longer talk to it does not get through.
    bed.sql("UPDATE workspaces SET budget_limit = NULL WHERE id = ?1", vec![a.id.to_string()]).await;
    agent.is(Mood::Busy);
    let peer = bed.workspace("Peer", Some(root.id)).await;
    let theirs = parked(bed.ask(&peer, &a, "two").send().await.unwrap()).await;
    let elsewhere = bed.workspace("Elsewhere", Some(bed.workspace("Other", None).await.id)).await;
    let moved = vec![elsewhere.id.to_string(), peer.id.to_string()];
    bed.sql("UPDATE workspaces SET parent_id = ?1 WHERE id = ?2", moved).await;
    bed.beat(&a).await;
    let item = bed.until(&a, &theirs, |item| item["attempts"] == 1 && item["status"] == "queued").await;
    assert_eq!(item["last_error"], "access denied: workspaces cannot communicate per hierarchy rules");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_no_capacity_no_drain_and_the_end_of_another_forward_is_one() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let root = bed.workspace("Root", None).await;
    let a = bed.agent("Busy", Some(root.id), &agent.url).await;
    let id = bed.park(&a, "one").await;
    agent.is(Mood::Free);
    bed.beat_with(&a, json!({"active_tasks": 1})).await;
    bed.beat_with(&a, json!({"runtime_state": "wedged"})).await;
    assert_eq!(bed.item(&a, &id).await["status"], "queued");
    // Another sender's message goes straight through; with its end the agent is free.
    assert_eq!(bed.ask(&root, &a, "other").send().await.unwrap().status(), StatusCode::OK);
    bed.until(&a, &id, is("completed")).await;
    assert_eq!(agent.heard(&Mood::Free), ["other", "one"]);
    // So it is with a register.
    agent.is(Mood::Busy);
    let id = bed.park(&a, "two").await;
    agent.is(Mood::Free);
    let body = json!({"id": a.id, "url": agent.url, "agent_card": {}});
    bed.post("/registry/register").bearer_auth(&a.token).json(&body).send().await.unwrap();
    bed.until(&a, &id, is("completed")).await;
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_a_stream_and_a_poll_agent_are_drained_too() {
    let bed = Bed::new().await;
    let busy = Moody::new(Mood::Busy).await;
    let a = bed.agent("Streams", None, &busy.url).await;
    let id = parked(bed.stream(a.id, "one").send().await.unwrap()).await;
    let streaming = Agent::new(|_| async {
        let event = json!({"jsonrpc": "2.0", "id": "r1", "result": {"kind": "message", "role": "agent", "messageId": "a",
            "parts": [{"kind": "text", "text": "streamed"}]}});
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(axum::body::Body::from(format!("data: {event}\n\n")))
            .unwrap()
    })
    .await;
    let move_to = |url: String, to: WorkspaceId| {
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![url, to.to_string()])
    };
    move_to(streaming.url.clone(), a.id).await;
    bed.beat(&a).await;
    bed.until(&a, &id, is("completed")).await;
    let rows = bed.activity(a.id).await;
    assert_eq!(rows[0]["response_body"]["result"]["parts"][0]["text"], "streamed");
    assert_eq!(streaming.got()[0].json()["method"], "message/stream");
    // One that fetches its messages since: its row is the delivery.
    move_to(busy.url.clone(), a.id).await;
    let id = bed.park(&a, "two").await;
    bed.sql("UPDATE workspaces SET delivery_mode = 'poll' WHERE id = ?1", vec![a.id.to_string()]).await;
    bed.beat(&a).await;
    bed.until(&a, &id, is("completed")).await;
    assert_eq!(bed.activity(a.id).await[0]["summary"], "message/send → Streams (queued for poll)");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s152_what_expired_is_not_delivered_and_is_told() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, clock.clone()).await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Busy", None, &agent.url).await;
    let table = [(json!(60), true), (json!(0), false), (json!(-5), false), (json!("60"), false), (json!(null), false)];
    // It reports work, so that nothing is tried before its next beat.
    bed.beat_with(&a, json!({"active_tasks": 1})).await;
    let (mut short, mut last) = (String::new(), String::new());
    for (at, (life, expires)) in table.into_iter().enumerate() {
        let mut said = message("message/send", &format!("n{at}"));
        said["params"]["expires_in_seconds"] = life.clone();
        let path = format!("/workspaces/{}/a2a", a.id);
        let id = parked(bed.post(&path).bearer_auth(&bed.admin).json(&said).send().await.unwrap()).await;
        assert_eq!(bed.item(&a, &id).await["expires_at"].is_string(), expires, "{life}");
        *(if expires { &mut short } else { &mut last }) = id;
    }
    clock.advance(61);
    let mut events = bed.events();
    sweep_once(&bed.app).await;
    let told = events.next(EventKind::ActivityLogged).await;
    assert_eq!(told.envelope.payload.fields()["error_detail"], "expired before the agent was free");
    agent.is(Mood::Free);
    bed.beat(&a).await;
    bed.until(&a, &last, is("completed")).await;
    assert_eq!(agent.heard(&Mood::Free), ["n1", "n2", "n3", "n4"]);
    let item = bed.item(&a, &short).await;
    assert_eq!((&item["status"], &item["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(bed.read(&format!("/workspaces/{}/inflight", a.id)).await, json!([]));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s153_who_may_look() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let lead = bed.workspace("Lead", None).await;
    let a = bed.agent("Busy", Some(lead.id), &agent.url).await;
    let stranger = bed.workspace("Stranger", Some(lead.id)).await;
    let id = parked(bed.ask(&lead, &a, "one").send().await.unwrap()).await;
    let org = {
        let made = bed.post("/org/tokens").bearer_auth(&bed.admin).json(&json!({"name": "o"})).send().await.unwrap();
        made.json::<Value>().await.unwrap()["auth_token"].as_str().unwrap().to_owned()
    };
    let look = async |token: Option<&str>, of: WorkspaceId, id: &str| {
        let mut request = bed.get(&format!("/workspaces/{of}/a2a/queue/{id}"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for token in [&lead.token, &a.token, &org, &bed.admin] {
        for of in [lead.id, a.id] {
            let (status, item) = look(Some(token), of, &id).await;
            assert_eq!((status, &item["queue_id"]), (200, &json!(id)));
            assert_eq!((&item["workspace_id"], &item["caller_id"]), (&json!(a.id), &json!(lead.id)));
            let null = ["last_error", "dispatched_at", "completed_at", "expires_at"];
            assert!(null.iter().all(|key| item[key].is_null() && item.get(key).is_some()), "{item}");
            assert_eq!((&item["method"], &item["status"]), (&json!("message/send"), &json!("queued")));
        }
    }
    let hidden = (404, json!({"error": "not found"}));
    for (token, of, id) in [
        (None, a.id, id.as_str()),
        (Some("guess"), a.id, &id),
        (Some(stranger.token.as_str()), a.id, &id),
        (Some(stranger.token.as_str()), stranger.id, &id),
        (Some(bed.admin.as_str()), stranger.id, &id),
        (Some(bed.admin.as_str()), a.id, "nothing"),
        (Some(bed.admin.as_str()), a.id, "7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11"),
    ] {
        assert_eq!(look(token, of, id).await, hidden, "{token:?}");
    }
    bed.stop().await;
}

async fn delegate(bed: &Bed, from: &Known, to: &Known) -> String {
    let body = json!({"target_id": to.id, "task": "dig", "idempotency_key": "k"});
    let path = format!("/workspaces/{}/delegate", from.id);
    let answer = bed.post(&path).bearer_auth(&from.token).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["status"], "delegated", "{answer}");
    answer["delegation_id"].as_str().unwrap().to_owned()
}

async fn listed(bed: &Bed, of: &Known) -> Value {
    let list = bed.read(&format!("/workspaces/{}/delegations", of.id)).await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    list[0].clone()
}

async fn only_item(bed: &Bed, to: &Known) -> String {
    let of = to.id.to_string();
    let sql = "SELECT id FROM a2a_queue WHERE workspace_id = ?1 ORDER BY seq DESC";
    bed.app.store.read(move |conn| Ok(conn.query_row(sql, [of], |row| row.get(0))?)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s155_s156_s157_s158_a_delegation_that_waits_comes_back() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    let id = delegate(&bed, &lead, &hand).await;
    events.find(|e| e.kind == EventKind::DelegationStatus && e.envelope.payload.fields()["status"] == "queued").await;
    let sent = &agent.last()["params"]["message"];
    assert_eq!((&sent["messageId"], &sent["metadata"]["delegation_id"]), (&json!(id), &json!(id)));
    let row = listed(&bed, &lead).await;
    assert_eq!((&row["status"], &row["summary"]), (&json!("queued"), &json!("Delegation queued — target at capacity")));
    let results = bed.read(&format!("/workspaces/{}/activity?type=delegation", lead.id)).await;
    assert_eq!(results[0]["response_body"], json!({"delegation_id": id, "queued": true}));
    agent.is(Mood::Free);
    bed.beat(&hand).await;
    let done = events.next(EventKind::DelegationComplete).await;
    assert_eq!(done.workspace, Some(lead.id));
    assert_eq!(
        done.envelope.payload.fields(),
        json!({"delegation_id": id, "target_id": hand.id, "response_preview": "did dig", "via": "queue_drain"})
    );
    let row = listed(&bed, &lead).await;
    assert_eq!((&row["status"], &row["response_preview"]), (&json!("completed"), &json!("did dig")));
    assert_eq!(row["summary"], "Delegation completed (did dig)");
    let item = bed.item(&lead, &only_item(&bed, &hand).await).await;
    assert_eq!(item["response_body"], json!({"text": "did dig", "delegation_id": id}));
    // The same key again says what is true now (R-38).
    let body = json!({"target_id": hand.id, "task": "dig", "idempotency_key": "k"});
    let path = format!("/workspaces/{}/delegate", lead.id);
    let again =
        bed.post(&path).bearer_auth(&lead.token).json(&body).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!((&again["delegation_id"], &again["status"]), (&json!(id), &json!("completed")));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s157_a_delegation_never_waits_for_what_is_given_up() {
    for how in ["attempts", "dropped", "deleted", "purged", "expired"] {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, clock.clone()).await;
        let agent = Moody::new(Mood::Busy).await;
        let lead = bed.workspace("Lead", None).await;
        let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
        let mut events = bed.events();
        let id = delegate(&bed, &lead, &hand).await;
        events
            .find(|e| e.kind == EventKind::DelegationStatus && e.envelope.payload.fields()["status"] == "queued")
            .await;
        let item = only_item(&bed, &hand).await;
        let why = match how {
            "attempts" => {
                agent.is(Mood::Sour(500, r#"{"error":"no shovel"}"#));
                for attempt in 1..=5 {
                    bed.beat(&hand).await;
                    bed.until(&hand, &item, |item| item["attempts"] == attempt && item["status"] != "dispatched").await;
                }
                "no shovel"
            }
            "dropped" => {
                clock.advance(3_601);
                let answer = bed.post("/admin/a2a-queue/drop-stale").bearer_auth(&bed.admin).send().await.unwrap();
                assert_eq!(answer.json::<Value>().await.unwrap(), json!({"dropped": 1}));
                "dropped after waiting longer than 60 min"
            }
            "expired" => {
                let sql = "UPDATE a2a_queue SET expires_at = ?1";
                bed.sql(sql, vec![bed.now().to_string()]).await;
                sweep_once(&bed.app).await;
                "expired before the agent was free"
            }
            how => {
                let path = format!("/workspaces/{}?confirm=true&purge={}", hand.id, how == "purged");
                let answer = bed.request(Method::DELETE, &path).bearer_auth(&bed.admin).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                "the workspace was deleted"
            }
        };
        let failed = events.next(EventKind::DelegationFailed).await;
        assert_eq!(
            failed.envelope.payload.fields(),
            json!({"delegation_id": id, "target_id": hand.id, "error": why}),
            "{how}"
        );
        let row = listed(&bed, &lead).await;
        assert_eq!((&row["status"], &row["error"]), (&json!("failed"), &json!(why)), "{how}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o17_what_a_poll_agent_will_fetch_is_no_row_of_the_queue() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.workspace_as("Hand", Some(lead.id), "external", DeliveryMode::Poll).await;
    let mut events = bed.events();
    delegate(&bed, &lead, &hand).await;
    events.find(|e| e.kind == EventKind::DelegationStatus && e.envelope.payload.fields()["status"] == "queued").await;
    assert_eq!((listed(&bed, &lead).await["status"].clone(), bed.queued().await), (json!("queued"), 0));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_is_stale_asks_for_a_sound_age() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Busy", None, &agent.url).await;
    let id = bed.park(&a, "one").await;
    let drop_stale = async |query: &str| {
        let path = format!("/admin/a2a-queue/drop-stale{query}");
        let answer = bed.post(&path).bearer_auth(&bed.admin).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let refused = (400, json!({"error": "max_age_minutes must be a positive integer"}));
    for bad in ["0", "-1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(drop_stale(&format!("?max_age_minutes={bad}")).await, refused, "{bad}");
    }
    assert_eq!(drop_stale("?workspace_id=x").await.0, 400);
    for none in ["", "?max_age_minutes=1", "?max_age_minutes=9223372036854775807"] {
        assert_eq!(drop_stale(none).await, (200, json!({"dropped": 0})), "{none}");
    }
    let long_ago = vec![bed.now().plus_seconds(-120).to_string()];
    bed.sql("UPDATE a2a_queue SET enqueued_at = ?1", long_ago).await;
    assert_eq!(drop_stale(&format!("?max_age_minutes=1&workspace_id={}", WorkspaceId::random())).await.1["dropped"], 0);
    let mut events = bed.events();
    assert_eq!(drop_stale(&format!("?max_age_minutes=1&workspace_id={}", a.id)).await.1["dropped"], 1);
    assert_eq!(bed.item(&a, &id).await["status"], "dropped");
    let told = events.next(EventKind::ActivityLogged).await;
    assert_eq!(told.envelope.payload.fields()["error_detail"], "dropped after waiting longer than 1 min");
    assert_eq!(bed.post("/admin/a2a-queue/drop-stale").bearer_auth(&a.token).send().await.unwrap().status(), 401);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o23_what_was_being_delivered_when_the_server_stopped_is_delivered_afterwards() {
    for crash in [false, true] {
        let bed = Bed::new().await;
        let agent = Moody::new(Mood::Busy).await;
        let a = bed.agent("Busy", None, &agent.url).await;
        let id = bed.park(&a, "one").await;
        agent.is(Mood::Hanging);
        bed.beat(&a).await;
        agent.until(2).await;
        assert_eq!(bed.item(&a, &id).await["status"], "dispatched");
        let working = bed.read(&format!("/workspaces/{}/inflight", a.id)).await;
        assert_eq!((&working[0]["message_id"], working[0].get("queued")), (&json!("m-one"), None), "being worked on");
        let dir = Arc::clone(&bed.dir);
        bed.stop().await;
        if crash {
            // What `kill -9` leaves: nobody put it back.
            let path = dir.path().join("molecule.db");
            let conn = molecule_store::rusqlite::Connection::open(path).unwrap();
            let claimed =
                "UPDATE a2a_queue SET status = 'dispatched', attempts = 1, lease_until = '2999-01-01T00:00:00.000000Z'";
            assert_eq!(conn.execute(claimed, []).unwrap(), 1);
        }
        agent.is(Mood::Free);
        let bed = Bed::start(dir, |_| {}, Arc::new(SystemClock)).await;
        let item = bed.item(&a, &id).await;
        assert_eq!((&item["status"], &item["attempts"]), (&json!("queued"), &json!(i64::from(crash))));
        bed.beat(&a).await;
        bed.until(&a, &id, is("completed")).await;
        assert_eq!(agent.heard(&Mood::Free), ["one"]);
        assert_eq!(bed.activity(a.id).await[0]["status"], "ok");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s158_a_task_that_was_asked_for_and_had_to_wait_is_found_by_its_id() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let call = async |name: &str, arguments: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
        let path = format!("/workspaces/{}/mcp", lead.id);
        let answer = bed.post(&path).bearer_auth(&lead.token).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let said = call("delegate_task", json!({"workspace_id": hand.id, "task": "dig"})).await;
    assert!(said.starts_with("The task is queued"), "{said}");
    let id = listed(&bed, &lead).await["delegation_id"].as_str().unwrap().to_owned();
    let check = json!({"workspace_id": hand.id, "task_id": id});
    let status: Value = serde_json::from_str(&call("check_task_status", check.clone()).await).unwrap();
    assert_eq!(status["status"], "queued");
    agent.is(Mood::Free);
    let mut events = bed.events();
    bed.beat(&hand).await;
    events.next(EventKind::DelegationComplete).await;
    let status: Value = serde_json::from_str(&call("check_task_status", check).await).unwrap();
    assert_eq!((&status["status"], &status["result"]), (&json!("completed"), &json!("did dig")), "{status}");
    bed.stop().await;
}
