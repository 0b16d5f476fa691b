//! A message that is answered.

use axum::response::IntoResponse;
use molecule_model::event::EventKind;
use molecule_platform::events::{Replay, replay};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    agent::{Agent, reply},
    bed::Bed,
};

#[tokio::test(flavor = "multi_thread")]
async fn s125_s144_an_answer_passes_as_it_is_and_leaves_a_row() {
    let bed = Bed::new().await;
    let agent = Agent::saying("hello").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    let mut events = bed.events();
    let answer = bed.say(a.id, "hi").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let text = answer.text().await.unwrap();
    let got = agent.got();
    assert_eq!(text, reply(&got[0], "hello"), "byte for byte");
    // The agent gets the length and no identity (R-65, 10 §2.11).
    assert_eq!(got[0].headers["content-length"], got[0].text.len().to_string());
    assert!(!got[0].headers.contains_key("authorization") && !got[0].headers.contains_key("x-workspace-id"));
    // The row was there before the reply was.
    let rows = bed.activity(a.id).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert!(row["duration_ms"].as_i64().unwrap() >= 1);
    assert_eq!(row["response_body"].to_string(), text);
    assert_eq!(row["request_body"]["params"]["message"]["messageId"], "m-hi");
    let told = json!([
        row["activity_type"],
        row["source_id"],
        row["target_id"],
        row["method"],
        row["summary"],
        row["status"],
        row["error_detail"]
    ]);
    assert_eq!(told, json!(["a2a_receive", null, a.id, "message/send", "message/send → Echo", "ok", null]));
    assert_eq!(row["tool_trace"], json!([{"tool": "look", "status": "ok"}]));
    assert_eq!(row["data"]["text"], "hi");
    // Both events carry a number and the same body.
    let logged = events.next(EventKind::ActivityLogged).await;
    let response = events.next(EventKind::A2aResponse).await;
    assert_eq!(logged.envelope.payload.fields()["id"], row["id"]);
    assert_eq!(response.envelope.payload.fields()["response_body"], row["response_body"]);
    assert!(logged.envelope.seq.is_some() && response.envelope.seq.is_some());
    // Nothing stays on its way.
    assert_eq!(bed.read(&format!("/workspaces/{}/inflight", a.id)).await, json!([]));
    assert_eq!(bed.app.messaging.in_flight(a.id), 0);
    let used: (i64, i64) = bed
        .app
        .store
        .read(|conn| {
            Ok(conn.query_row("SELECT input_tokens, output_tokens FROM workspace_token_usage", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?)
        })
        .await
        .unwrap();
    assert_eq!(used, (10, 3));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_resumed_event_is_the_event() {
    let bed = Bed::new().await;
    let agent = Agent::saying("hello").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    let mut events = bed.events();
    let since = bed.app.bus.last_seq();
    bed.say(a.id, "hi").send().await.unwrap();
    let notify = json!({"message": "look", "attachments": [{"uri": "workspace:/w/a.txt", "name": "a.txt", "size": 3}]});
    let path = format!("/workspaces/{}/notify", a.id);
    assert_eq!(bed.post(&path).bearer_auth(&a.token).json(&notify).send().await.unwrap().status(), StatusCode::OK);
    let mut live = Vec::new();
    for kind in [EventKind::ActivityLogged, EventKind::A2aResponse, EventKind::AgentMessage] {
        live.push(serde_json::to_value(&events.next(kind).await.envelope).unwrap());
    }
    let Replay::Events(again) = bed.app.store.read(move |conn| replay(conn, since)).await.unwrap() else {
        panic!("too far")
    };
    let again: Vec<Value> = again.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    assert_eq!(again, live);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_message_carries_its_source() {
    let bed = Bed::new().await;
    let agent = Agent::saying("done").await;
    let parent = bed.agent("Lead", None, "http://127.0.0.1:9").await;
    let child = bed.agent("Hand", Some(parent.id), &agent.url).await;
    let mut events = bed.events();
    let body = crate::bed::message("message/send", "dig");
    let path = format!("/workspaces/{}/a2a", child.id);
    let answer = bed.post(&path).bearer_auth(&parent.token).header("X-Workspace-ID", parent.id.to_string()).json(&body);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::OK);
    let row = &bed.activity(child.id).await[0];
    assert_eq!(row["source_id"], json!(parent.id));
    assert_eq!(row["data"]["source"], "peer_agent");
    assert_eq!((&row["data"]["peer_name"], &row["data"]["peer_role"]), (&json!("Lead"), &json!("Lead role")));
    assert!(bed.row(parent.id).await.last_outbound_at.is_some());
    // Only the person's messages are answered by A2A_RESPONSE.
    events.next(EventKind::ActivityLogged).await;
    assert!(!events.waiting().contains(&EventKind::A2aResponse));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s126_bare_bodies_are_wrapped_and_control_methods_are_no_turns() {
    let bed = Bed::new().await;
    let agent = Agent::saying("ok").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    let mut events = bed.events();
    let path = format!("/workspaces/{}/a2a", a.id);
    let bare = json!({"method": "message/send", "params": {"message": {"content": "old words"}}});
    assert_eq!(bed.post(&path).bearer_auth(&bed.admin).json(&bare).send().await.unwrap().status(), StatusCode::OK);
    let cancel = json!({"jsonrpc": "2.0", "id": 7, "method": "tasks/cancel", "params": {"id": "t1"}});
    assert_eq!(bed.post(&path).bearer_auth(&bed.admin).json(&cancel).send().await.unwrap().status(), StatusCode::OK);
    let got = agent.got();
    let wrapped = got[0].json();
    assert_eq!(wrapped["jsonrpc"], "2.0");
    assert_eq!(wrapped["params"]["message"]["parts"], json!([{"kind": "text", "text": "old words"}]));
    assert_eq!(wrapped["params"]["message"]["role"], "user");
    assert!(wrapped["params"]["message"]["messageId"].as_str().is_some_and(|id| id.len() == 36));
    assert_eq!(got[1].text, cancel.to_string());
    assert_eq!(bed.activity(a.id).await.len(), 2, "any upstream answer leaves a row");
    events.next(EventKind::A2aResponse).await;
    events
        .find(|event| {
            event.kind == EventKind::ActivityLogged && event.envelope.payload.fields()["method"] == "tasks/cancel"
        })
        .await;
    assert!(!events.waiting().contains(&EventKind::A2aResponse), "a cancelled task is no answer for a chat");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_r68_a_v1_agent_is_spoken_to_in_v1() {
    let bed = Bed::new().await;
    let agent = Agent::new(|got| async move {
        let id = got.json()["id"].clone();
        json!({"jsonrpc": "2.0", "id": id, "result": {"message": {"role": "ROLE_AGENT", "messageId": "a1", "parts": [{"text": "v1 says hi"}]}}})
            .to_string()
            .into_response()
    })
    .await;
    let a = bed.agent("New", None, &agent.url).await;
    let card = json!({"workspace_id": a.id, "agent_card": {"name": "New", "protocolVersion": "1.0"}});
    bed.post("/registry/update-card").bearer_auth(&a.token).json(&card).send().await.unwrap();
    let answer: Value = bed.say(a.id, "hi").send().await.unwrap().json().await.unwrap();
    let got = agent.got();
    assert_eq!(got[0].json()["method"], "SendMessage");
    assert_eq!(got[0].headers["a2a-version"], "1.0");
    assert_eq!(answer["result"]["kind"], "message");
    assert_eq!(answer["result"]["parts"][0]["text"], "v1 says hi");
    assert_eq!(bed.activity(a.id).await[0]["response_body"], answer);
    bed.stop().await;
}

/// a shipped screen takes an early event as the end of a send.
#[tokio::test(flavor = "multi_thread")]
async fn r81_in_development_the_reply_comes_first() {
    let bed = Bed::development().await;
    let agent = Agent::saying("hello").await;
    let a = bed.agent("Echo", None, &agent.url).await;
    let mut events = bed.events();
    let path = format!("/workspaces/{}/a2a", a.id);
    let answer = bed.post(&path).json(&crate::bed::message("message/send", "hi")).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    assert!(events.waiting().iter().all(|kind| !matches!(kind, EventKind::ActivityLogged | EventKind::A2aResponse)));
    assert_eq!(bed.activity(a.id).await.len(), 1, "the row does not wait (R-47)");
    events.next(EventKind::ActivityLogged).await;
    let response = events.next(EventKind::A2aResponse).await;
    assert_eq!(response.envelope.payload.fields()["response_body"], body);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_shows_what_is_being_answered() {
    let bed = Bed::new().await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let arrived = std::sync::Arc::new(tokio::sync::Notify::new());
    let (open, here) = (gate.clone(), arrived.clone());
    let agent = Agent::new(move |got| {
        let (open, here) = (open.clone(), here.clone());
        async move {
            here.notify_one();
            open.notified().await;
            reply(&got, "late").into_response()
        }
    })
    .await;
    let a = bed.agent("Slow", None, &agent.url).await;
    let sending = tokio::spawn(bed.say(a.id, "hi").send());
    arrived.notified().await;
    let now = bed.read(&format!("/workspaces/{}/inflight", a.id)).await;
    assert_eq!(now[0]["message_id"], "m-hi");
    assert_eq!((&now[0]["method"], &now[0]["source_id"]), (&json!("message/send"), &Value::Null));
    assert_eq!(now[0]["request_body"]["params"]["message"]["parts"][0]["text"], "hi");
    assert_eq!(bed.app.messaging.shown_tasks(a.id, 0), 1, "busy as shown (R-108)");
    assert!(bed.activity(a.id).await.is_empty());
    gate.notify_one();
    assert_eq!(sending.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(bed.read(&format!("/workspaces/{}/inflight", a.id)).await, json!([]));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_cancels_nothing() {
    let bed = Bed::new().await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let arrived = std::sync::Arc::new(tokio::sync::Notify::new());
    let (open, here) = (gate.clone(), arrived.clone());
    let agent = Agent::new(move |got| {
        let (open, here) = (open.clone(), here.clone());
        async move {
            here.notify_one();
            open.notified().await;
            reply(&got, "all the same").into_response()
        }
    })
    .await;
    let a = bed.agent("Slow", None, &agent.url).await;
    let mut events = bed.events();
    let sending = tokio::spawn(bed.say(a.id, "hi").send());
    arrived.notified().await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    gate.notify_one();
    let logged = events.next(EventKind::ActivityLogged).await;
    assert_eq!(logged.envelope.payload.fields()["response_body"]["result"]["parts"][0]["text"], "all the same");
    assert_eq!(bed.activity(a.id).await[0]["status"], "ok");
    bed.stop().await;
}

/// What an agent says is noted on disk only while it takes long; what is answered at once is written once. What the
/// person says is on disk before it leaves.
#[tokio::test(flavor = "multi_thread")]
async fn r47_a_long_turn_is_on_disk_while_it_runs() {
    let bed = Bed::new().await;
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let (open, waiting) = (gate.clone(), bed.app.store.clone());
    let rows = |store: molecule_store::Store| async move {
        store.read(molecule_store::inflight::all).await.unwrap().into_iter().filter_map(|row| row.message_id).collect()
    };
    let first: std::sync::Arc<std::sync::Mutex<Vec<Vec<String>>>> = std::sync::Arc::default();
    let seen = first.clone();
    let agent = Agent::new(move |got| {
        let (open, store, seen) = (open.clone(), waiting.clone(), seen.clone());
        async move {
            let rows: Vec<String> = rows(store).await;
            seen.lock().unwrap().push(rows);
            open.notified().await;
            reply(&got, "done").into_response()
        }
    })
    .await;
    let lead = bed.agent("Lead", None, "http://127.0.0.1:9").await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let path = format!("/workspaces/{}/a2a", hand.id);
    let body = crate::bed::message("message/send", "dig");
    let sending = tokio::spawn(bed.post(&path).bearer_auth(&lead.token).json(&body).send());
    // It appears there without anything else happening.
    let noted = async {
        while rows(bed.app.store.clone()).await != ["m-dig".to_owned()] {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::bed::PATIENCE, noted).await.expect("a long turn was not noted");
    gate.notify_one();
    assert_eq!(sending.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(rows(bed.app.store.clone()).await.is_empty());

    let asking = tokio::spawn(bed.say(hand.id, "well?").send());
    gate.notify_one();
    assert_eq!(asking.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(rows(bed.app.store.clone()).await.is_empty());
    assert_eq!(first.lock().unwrap()[1], ["m-well?".to_owned()], "the agent reads what is on disk already");
    bed.stop().await;
}
