//! What is never delivered, and who may look at what waits (S152, S153).

use std::sync::Arc;

use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use molecule_platform::{ManualClock, messaging::queue::sweep_once};
use serde_json::{Value, json};

use super::{is, parked};
use crate::{
    bed::{Bed, message},
    moody::{Mood, Moody},
};

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
