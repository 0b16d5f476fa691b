//! Delegations (10 §11, R-38, R-39).

use axum::response::IntoResponse;
use molecule_model::{WorkspaceId, event::EventKind, wire::DeliveryMode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    bed::{Bed, Known},
};

async fn delegate(bed: &Bed, from: &Known, body: &Value) -> (u16, Value) {
    let path = format!("/workspaces/{}/delegate", from.id);
    let answer = bed.post(&path).bearer_auth(&from.token).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn list(bed: &Bed, of: &Known) -> Vec<Value> {
    bed.read(&format!("/workspaces/{}/delegations", of.id)).await.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn s155_a_task_goes_there_and_its_answer_comes_back() {
    let bed = Bed::new().await;
    let agent = Agent::saying("forty-two").await;
    let lead = bed.agent("Lead", None, "http://127.0.0.1:9").await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    let (status, answer) =
        delegate(&bed, &lead, &json!({"target_id": hand.id, "task": "compute", "idempotency_key": "k1"})).await;
    assert_eq!((status, &answer["status"], &answer["target_id"]), (202, &json!("delegated"), &json!(hand.id)));
    let id = answer["delegation_id"].as_str().unwrap();
    let sent = events.next(EventKind::DelegationSent).await;
    assert_eq!(
        sent.envelope.payload.fields(),
        json!({"delegation_id": id, "target_id": hand.id, "task_preview": "compute"})
    );
    let moved = events.next(EventKind::DelegationStatus).await;
    assert_eq!(moved.envelope.payload.fields()["status"], "dispatched");
    let done = events.next(EventKind::DelegationComplete).await;
    assert_eq!(
        done.envelope.payload.fields(),
        json!({"delegation_id": id, "target_id": hand.id, "response_preview": "forty-two"})
    );
    assert_eq!(done.workspace, Some(lead.id));
    let message = agent.got()[0].json()["params"]["message"].clone();
    assert_eq!((&message["messageId"], &message["metadata"]["delegation_id"]), (&json!(id), &json!(id)));
    let rows = list(&bed, &lead).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    let told = json!([
        row["type"],
        row["delegation_id"],
        row["source_id"],
        row["target_id"],
        row["status"],
        row["response_preview"],
        row.get("error")
    ]);
    assert_eq!(told, json!(["delegation", id, lead.id, hand.id, "completed", "forty-two", null]));
    // The receiver's row names the sender; none of this is ACTIVITY_LOGGED for the delegator.
    assert_eq!(bed.activity(hand.id).await[0]["source_id"], json!(lead.id));
    // The same key again is the same delegation, finished or not (R-38).
    let (status, again) =
        delegate(&bed, &lead, &json!({"target_id": hand.id, "task": "compute", "idempotency_key": "k1"})).await;
    assert_eq!(
        (status, again),
        (202, json!({"delegation_id": id, "status": "completed", "target_id": hand.id, "idempotent_hit": true}))
    );
    assert_eq!(agent.got().len(), 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_target_is_accepted_and_then_fails() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let stranger = bed.workspace("Stranger", Some(bed.workspace("Elsewhere", None).await.id)).await;
    let mut events = bed.events();
    let (status, answer) =
        delegate(&bed, &lead, &json!({"target_id": stranger.id, "task": "x", "idempotency_key": "k"})).await;
    assert_eq!(status, 202);
    let failed = events.next(EventKind::DelegationFailed).await;
    let why = "access denied: workspaces cannot communicate per hierarchy rules";
    assert_eq!(
        failed.envelope.payload.fields(),
        json!({"delegation_id": answer["delegation_id"], "target_id": stranger.id, "error": why})
    );
    let row = &list(&bed, &lead).await[0];
    assert_eq!((&row["status"], &row["error"]), (&json!("failed"), &json!(why)));
    // A failed one is run anew under the same key.
    let (_, second) =
        delegate(&bed, &lead, &json!({"target_id": stranger.id, "task": "x", "idempotency_key": "k"})).await;
    assert_ne!(second["delegation_id"], answer["delegation_id"]);
    assert_eq!(second["status"], "delegated");
    events.next(EventKind::DelegationFailed).await;
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o17_a_poll_mode_peer_has_it_queued() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let poller = bed.workspace_as("Poller", Some(lead.id), "external", DeliveryMode::Poll).await;
    let mut events = bed.events();
    delegate(&bed, &lead, &json!({"target_id": poller.id, "task": "x"})).await;
    events
        .find(|event| {
            event.kind == EventKind::DelegationStatus && event.envelope.payload.fields()["status"] == "queued"
        })
        .await;
    let row = &list(&bed, &lead).await[0];
    assert_eq!((&row["status"], &row["summary"]), (&json!("queued"), &json!("Delegation queued — target at capacity")));
    assert_eq!(bed.activity(poller.id).await.len(), 1);
    bed.stop().await;
}

/// An agent that answers with a task, says for a while that it works on it, and then what came of it.
pub async fn working(questions: usize) -> Agent {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Agent::new(move |got| {
        let task = |state: &str, more: Value| {
            let mut task = json!({"kind": "task", "id": "t1", "contextId": "c1", "status": {"state": state,
                "message": {"kind": "message", "role": "agent", "messageId": "s", "parts": [{"kind": "text", "text": "on it"}]}}});
            task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"jsonrpc": "2.0", "id": got.json()["id"], "result": task}).to_string().into_response()
        };
        let answer = match got.json()["method"].as_str().unwrap() {
            "message/send" => task("working", json!({})),
            _ if asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 < questions => task("working", json!({})),
            _ => task(
                "completed",
                json!({"artifacts": [{"artifactId": "a", "parts": [{"kind": "text", "text": "the end"}]}],
                    "usage": {"input_tokens": 10, "output_tokens": 3}}),
            ),
        };
        async move { answer }
    })
    .await
}

async fn used(bed: &Bed) -> (i64, i64) {
    let sql = "SELECT coalesce(sum(input_tokens), 0), coalesce(sum(call_count), 0) FROM workspace_token_usage";
    bed.app.store.read(move |conn| Ok(conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s156_a_task_that_has_only_begun_is_no_result() {
    let bed = Bed::new().await;
    let agent = working(3).await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    delegate(&bed, &lead, &json!({"target_id": hand.id, "task": "dig"})).await;
    let done = events.next(EventKind::DelegationComplete).await;
    assert_eq!(done.envelope.payload.fields()["response_preview"], "the end");
    let row = &list(&bed, &lead).await[0];
    assert_eq!((&row["status"], &row["response_preview"]), (&json!("completed"), &json!("the end")));
    let methods: Vec<Value> = agent.got().iter().map(|got| got.json()["method"].clone()).collect();
    assert_eq!(methods, ["message/send", "tasks/get", "tasks/get", "tasks/get"]);
    assert_eq!(bed.activity(hand.id).await.len(), 1, "our questions are no messages");
    assert_eq!(used(&bed).await, (10, 1));
    // Whoever asks again, and again, is not billed for it.
    let path = format!("/workspaces/{}/a2a", hand.id);
    for _ in 0..2 {
        let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": "t1"}});
        let answer = bed.post(&path).bearer_auth(&lead.token).json(&ask).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["result"]["status"]["state"], "completed");
    }
    assert_eq!(used(&bed).await, (10, 1));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s156_an_agent_that_cannot_be_asked_has_said_what_there_is() {
    for refusal in [(200, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#), (404, "")] {
        let bed = Bed::new().await;
        let agent = Agent::new(move |got| {
            let task = json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "task", "id": "t1", "status": {"state": "working",
                "message": {"role": "agent", "messageId": "s", "parts": [{"kind": "text", "text": "on it"}]}}}});
            let (status, body) = match got.json()["method"].as_str() {
                Some("message/send") => (200, task.to_string()),
                _ => (refusal.0, refusal.1.to_owned()),
            };
            async move { (StatusCode::from_u16(status).unwrap(), body).into_response() }
        })
        .await;
        let lead = bed.workspace("Lead", None).await;
        let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
        let mut events = bed.events();
        delegate(&bed, &lead, &json!({"target_id": hand.id, "task": "dig"})).await;
        let done = events.next(EventKind::DelegationComplete).await;
        assert_eq!(done.envelope.payload.fields()["response_preview"], "on it");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let table = [
        (json!({}), "invalid delegation request"),
        (json!({"target_id": "", "task": "x"}), "invalid delegation request"),
        (json!({"target_id": WorkspaceId::random(), "task": ""}), "invalid delegation request"),
        (json!({"target_id": WorkspaceId::random(), "task": 5}), "invalid delegation request"),
        (json!({"target_id": "peer", "task": "x"}), "target_id must be a valid UUID"),
        (json!({"target_id": a.id, "task": "x"}), "self-delegation not permitted"),
    ];
    for (body, text) in table {
        assert_eq!(delegate(&bed, &a, &body).await, (400, json!({"error": text})), "{body}");
    }
    assert!(list(&bed, &a).await.is_empty());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_runs_itself_is_recorded_and_updated() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let b = bed.workspace("B", None).await;
    let mut events = bed.events();
    let path = |tail: &str| format!("/workspaces/{}/delegations{tail}", a.id);
    let post = async |tail: &str, body: &Value| {
        let answer = bed.post(&path(tail)).bearer_auth(&a.token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let record = |id: &str| json!({"target_id": b.id, "task": "dig", "delegation_id": id});
    for id in ["d1", "d2", "d3"] {
        assert_eq!(post("/record", &record(id)).await, (202, json!({"delegation_id": id, "status": "recorded"})));
    }
    events.next(EventKind::DelegationSent).await;
    assert_eq!(post("/record", &json!({"target_id": b.id, "task": "x"})).await.0, 400);
    assert_eq!(
        post("/record", &json!({"target_id": "b", "task": "x", "delegation_id": "d"})).await,
        (400, json!({"error": "target_id must be a valid UUID"}))
    );
    let done = json!({"status": "completed", "response_preview": "gold"});
    assert_eq!(post("/d1/update", &done).await, (200, json!({"status": "completed", "delegation_id": "d1"})));
    assert_eq!(
        events.next(EventKind::DelegationComplete).await.envelope.payload.fields(),
        json!({"delegation_id": "d1", "response_preview": "gold"})
    );
    assert_eq!(post("/d2/update", &json!({"status": "failed", "error": "rock"})).await.0, 200);
    assert_eq!(
        events.next(EventKind::DelegationFailed).await.envelope.payload.fields(),
        json!({"delegation_id": "d2", "error": "rock"})
    );
    assert_eq!(post("/d3/update", &json!({"status": "queued"})).await.0, 200, "40 §21 row 9");
    assert_eq!(post("/unknown/update", &json!({"status": "failed"})).await.0, 200);
    assert_eq!(
        post("/d1/update", &json!({"status": "lost"})).await,
        (400, json!({"error": "status must be 'completed' or 'failed'"}))
    );
    assert_eq!(post("/d1/update", &json!({})).await, (400, json!({"error": "invalid request body"})));
    let rows = list(&bed, &a).await;
    let told: Vec<_> = rows
        .iter()
        .map(|r| {
            (r["delegation_id"].as_str().unwrap(), r["status"].as_str().unwrap(), r["target_id"].as_str().unwrap())
        })
        .collect();
    let to = b.id.to_string();
    assert_eq!(told, [("d1", "completed", to.as_str()), ("d3", "queued", &to), ("d2", "failed", &to)]);
    assert_eq!(bed.get(&path("")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    bed.stop().await;
}
