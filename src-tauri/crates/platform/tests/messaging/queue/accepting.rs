//! What is queued and what is not (10 §10.1, S144–S148).

use molecule_a2a::normalise;
use molecule_model::{event::EventKind, id, wire::DeliveryMode};
use molecule_platform::messaging::{Delivery, Options, Sender, deliver};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{QUEUED, delegate, is, listed};
use crate::{
    bed::{Bed, message},
    moody::{Mood, Moody},
};

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
    // The attempt is logged and told; it was not answered.
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
