//! Workspaces that fetch their messages (10 §9.4, 40 §11).

use molecule_model::{event::EventKind, wire::DeliveryMode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::{Bed, message};

#[tokio::test(flavor = "multi_thread")]
async fn s142_s195_a_message_waits_as_a_row_and_is_fetched_once() {
    let bed = Bed::new().await;
    let a = bed.workspace_as("Poller", None, "external", DeliveryMode::Poll).await;
    let body = json!({"id": a.id, "agent_card": {"name": "Poller"}, "url": "remote://no-inbound"});
    let answer: Value =
        bed.post("/registry/register").bearer_auth(&a.token).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["delivery_mode"], "poll");
    let mut events = bed.events();
    for text in ["one", "two", "three"] {
        let answer = bed.say(a.id, text).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            answer.text().await.unwrap(),
            r#"{"status":"queued","delivery_mode":"poll","method":"message/send"}"#
        );
    }
    events.next(EventKind::ActivityLogged).await;
    // R-79: the first fetch without a cursor is oldest first for the agent itself, newest first for the person.
    let path = format!("/workspaces/{}/activity?type=a2a_receive", a.id);
    let texts = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["data"]["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first: Value = bed.get(&path).bearer_auth(&a.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(texts(&first), ["one", "two", "three"]);
    assert_eq!(texts(&bed.read(&path).await), ["three", "two", "one"]);
    let row = &first[0];
    assert_eq!(row["summary"], "message/send → Poller (queued for poll)");
    assert_eq!((&row["duration_ms"], &row["status"]), (&Value::Null, &json!("ok")));
    assert_eq!((&row["type"], &row["data"]["source"]), (&json!("a2a_receive"), &json!("canvas_user")));
    // The cursor loses and repeats nothing.
    let after = |id: &Value| format!("{path}&since_id={}", id.as_str().unwrap());
    let next: Value =
        bed.get(&after(&first[0]["id"])).bearer_auth(&a.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(texts(&next), ["two", "three"]);
    bed.say(a.id, "four").send().await.unwrap();
    let last: Value = bed.get(&after(&next[1]["id"])).bearer_auth(&a.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(texts(&last), ["four"]);
    assert_eq!(bed.app.messaging.in_flight(a.id), 0);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hierarchy_budget_and_shape_go_before_polling() {
    let bed = Bed::new().await;
    let a = bed.workspace_as("Poller", None, "external", DeliveryMode::Poll).await;
    let stranger = bed.workspace("Stranger", Some(bed.workspace("Elsewhere", None).await.id)).await;
    let path = format!("/workspaces/{}/a2a", a.id);
    let answer = bed.post(&path).bearer_auth(&stranger.token).json(&message("message/send", "x")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = bed.post(&path).bearer_auth(&bed.admin).body("{").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    bed.sql("UPDATE workspaces SET budget_limit = 0 WHERE id = ?1", vec![a.id.to_string()]).await;
    assert_eq!(bed.say(a.id, "x").send().await.unwrap().status(), StatusCode::PAYMENT_REQUIRED);
    assert!(bed.activity(a.id).await.is_empty());
    bed.stop().await;
}

/// S143: where the mode cannot be read, the sender hears of it; nothing is said to be queued.
#[tokio::test(flavor = "multi_thread")]
async fn s143_a_mode_that_cannot_be_read_is_loud() {
    let bed = Bed::new().await;
    let a = bed.workspace_as("Unreadable", None, "external", DeliveryMode::Poll).await;
    bed.sql("ALTER TABLE workspaces RENAME COLUMN delivery_mode TO lost", Vec::new()).await;
    let answer = bed.say(a.id, "hello").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"lookup failed"}"#, "no word of the database");
    bed.sql("ALTER TABLE workspaces RENAME COLUMN lost TO delivery_mode", Vec::new()).await;
    assert!(bed.activity(a.id).await.is_empty());
    bed.stop().await;
}
