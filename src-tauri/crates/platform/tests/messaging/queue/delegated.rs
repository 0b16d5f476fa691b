//! Delegations that wait in the queue (S155–S158).

use std::sync::Arc;

use molecule_model::{Timestamp, event::EventKind};
use molecule_platform::{ManualClock, messaging::queue::sweep_once};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{delegate, listed};
use crate::{
    bed::{Bed, Known},
    moody::{Mood, Moody},
};

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
