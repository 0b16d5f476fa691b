//! What must not wait for ever, and what must not be given up for nothing.

use std::{sync::Arc, time::Duration};

use molecule_model::{Timestamp, event::EventKind};
use molecule_platform::{ManualClock, messaging::queue::sweep_once};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::is;
use crate::{
    bed::{Bed, Known, PATIENCE},
    moody::{Mood, Moody},
};

impl Bed {
    /// How often the row was claimed.
    async fn claims(&self, queue_id: &str) -> i64 {
        let id = queue_id.to_owned();
        let sql = "SELECT lease FROM a2a_queue WHERE id = ?1";
        self.app.store.read(move |conn| Ok(conn.query_row(sql, [id], |row| row.get(0))?)).await.unwrap()
    }

    async fn register(&self, of: &Known, url: &str) {
        let body = json!({"id": of.id, "url": url, "agent_card": {}});
        let answer = self.post("/registry/register").bearer_auth(&of.token).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s150_what_makes_an_agent_hang_holds_up_its_pair_five_times_only() {
    let bed = Bed::with(|config| config.a2a_idle = Duration::from_millis(150)).await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Hangs", None, &agent.url).await;
    let first = bed.park(&a, "one").await;
    agent.is(Mood::Hanging);
    for attempt in 1..=5 {
        bed.beat(&a).await;
        let item = bed.until(&a, &first, |item| item["attempts"] == attempt && item["status"] != "dispatched").await;
        assert_eq!(item["last_error"], "no sign of life from the agent for too long");
        assert_eq!(item["status"], if attempt < 5 { "queued" } else { "failed" });
    }
    let row = &bed.activity(a.id).await[0];
    assert_eq!(row["error_detail"], "no sign of life from the agent for too long", "the person reads it");
    agent.is(Mood::Free);
    assert_eq!(bed.say(a.id, "two").send().await.unwrap().status(), StatusCode::OK, "nothing is before it any more");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_a_paused_agent_that_beats_on_uses_up_no_attempts() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Paused", None, &agent.url).await;
    let id = bed.park(&a, "one").await;
    let turn = async |what: &str| {
        let path = format!("/workspaces/{}/{what}", a.id);
        let answer = bed.post(&path).bearer_auth(&bed.admin).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    };
    turn("pause").await;
    agent.is(Mood::Free);
    let began = bed.now();
    for _ in 0..6 {
        bed.beat(&a).await;
        // A claim is settled before the next beat can make one.
        bed.until(&a, &id, |item| item["status"] != "dispatched").await;
    }
    assert_eq!(bed.item(&a, &id).await["status"], "queued", "since {began}");
    turn("resume").await;
    bed.register(&a, &agent.url).await;
    assert_eq!(bed.until(&a, &id, is("completed")).await["attempts"], 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_an_agent_that_never_beats_gets_what_waits_for_it() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, clock.clone()).await;
    let agent = Moody::new(Mood::Busy).await;
    let a = bed.agent("Silent", None, &agent.url).await;
    let id = bed.park(&a, "one").await;
    // It has just registered: its beats are waited for.
    sweep_once(&bed.app).await;
    clock.advance(61);
    // Away for a while, as a laptop is: that is no attempt.
    bed.sql("UPDATE workspaces SET url = 'http://127.0.0.1:9' WHERE id = ?1", vec![a.id.to_string()]).await;
    for look in 1..=6 {
        sweep_once(&bed.app).await;
        let began = std::time::Instant::now();
        while bed.claims(&id).await < look || bed.item(&a, &id).await["status"] == "dispatched" {
            assert!(began.elapsed() < PATIENCE, "it is not looked at");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bed.item(&a, &id).await["status"], "queued", "{look}");
    }
    agent.is(Mood::Free);
    bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![agent.url.clone(), a.id.to_string()]).await;
    sweep_once(&bed.app).await;
    assert_eq!(bed.until(&a, &id, is("completed")).await["attempts"], 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s152_what_expired_is_told_once_and_not_again_when_it_is_dropped() {
    for how in ["dropped", "deleted"] {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, clock.clone()).await;
        let agent = Moody::new(Mood::Busy).await;
        let a = bed.agent("Busy", None, &agent.url).await;
        let id = bed.park(&a, "one").await;
        bed.sql("UPDATE a2a_queue SET expires_at = ?1", vec![bed.now().to_string()]).await;
        sweep_once(&bed.app).await;
        let rows = bed.activity(a.id).await.len();
        assert_eq!(rows, 2, "the attempt, and that it expired");
        clock.advance(7_200);
        if how == "dropped" {
            let answer = bed.post("/admin/a2a-queue/drop-stale").bearer_auth(&bed.admin).send().await.unwrap();
            assert_eq!(answer.json::<Value>().await.unwrap(), json!({"dropped": 1}));
            assert_eq!(bed.item(&a, &id).await["status"], "dropped");
        } else {
            bed.remove(a.id).await;
            sweep_once(&bed.app).await;
        }
        let sql = "SELECT count(*) FROM activity_logs";
        let now: i64 = bed.app.store.read(move |conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).await.unwrap();
        assert_eq!(usize::try_from(now).unwrap(), rows, "{how}");
        bed.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s157_a_delegation_that_waited_is_followed_to_the_end_of_its_task() {
    let bed = Bed::new().await;
    let busy = Moody::new(Mood::Busy).await;
    let working = crate::delegation::working(2).await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &busy.url).await;
    let mut events = bed.events();
    super::delegate(&bed, &lead, &hand).await;
    events.find(|e| e.kind == EventKind::DelegationStatus && e.envelope.payload.fields()["status"] == "queued").await;
    bed.register(&hand, &working.url).await;
    let done = events.next(EventKind::DelegationComplete).await.envelope.payload.fields();
    assert_eq!((&done["response_preview"], &done["via"]), (&json!("the end"), &json!("queue_drain")));
    let methods: Vec<Value> = working.got().iter().map(|got| got.json()["method"].clone()).collect();
    assert_eq!(methods, ["message/send", "tasks/get", "tasks/get"]);
    bed.stop().await;
}
