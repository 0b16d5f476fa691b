//! What is forgotten, and when (10 §18.4, R-20, S162).

use std::sync::Arc;

use molecule_model::Timestamp;
use molecule_platform::{
    ManualClock, activity,
    events::{Replay, replay},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::{Bed, Known};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

async fn bed() -> (Bed, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_000_000_000_000_000)));
    let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, Arc::clone(&clock) as _).await;
    (bed, clock)
}

async fn report(bed: &Bed, of: &Known, summary: &str) {
    let body = json!({"activity_type": "agent_log", "summary": summary});
    let path = format!("/workspaces/{}/activity", of.id);
    assert_eq!(bed.post(&path).bearer_auth(&of.token).json(&body).send().await.unwrap().status(), StatusCode::OK);
}

async fn summaries(bed: &Bed, of: &Known) -> Vec<String> {
    let rows = bed.activity(of.id).await;
    rows.iter().map(|row| row["summary"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s162_rows_go_after_seven_days_and_their_cursor_is_gone() {
    let (bed, clock) = bed().await;
    let a = bed.workspace("A", None).await;
    activity::sweep_once(&bed.app).await.unwrap();
    report(&bed, &a, "old").await;
    let cursor = bed.activity(a.id).await[0]["id"].as_str().unwrap().to_owned();
    activity::catch_up(&bed.app).await.unwrap();
    clock.advance(6 * DAY);
    report(&bed, &a, "young").await;
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(summaries(&bed, &a).await, ["young", "old"], "six days are not seven");
    clock.advance(DAY);
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(summaries(&bed, &a).await, ["young"]);
    let after = |id: &str| bed.get(&format!("/workspaces/{}/activity?since_id={id}", a.id)).bearer_auth(&a.token);
    let mut gone = Vec::new();
    // Pruned, another's and unknown cannot be told apart.
    let b = bed.workspace("B", None).await;
    report(&bed, &b, "another's").await;
    let foreign = bed.activity(b.id).await[0]["id"].as_str().unwrap().to_owned();
    for id in [cursor.as_str(), &foreign, "00000000-0000-4000-8000-000000000000"] {
        let answer = after(id).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::GONE, "{id}");
        gone.push(answer.json::<Value>().await.unwrap());
    }
    assert_eq!(gone, vec![json!({"error": "since_id cursor not found"}); 3]);
    // Nor is it found, before the index knows and after.
    for _ in 0..2 {
        let found = bed.read(&format!("/workspaces/{}/session-search?q=old", a.id)).await;
        assert_eq!(found, json!([]));
        activity::catch_up(&bed.app).await.unwrap();
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_gone_through_once_a_period_and_the_file_gives_room_back() {
    let (bed, clock) = bed().await;
    let a = bed.workspace("A", None).await;
    activity::sweep_once(&bed.app).await.unwrap();
    bed.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO activity_logs (id, workspace_id, activity_type, summary, status, created_at)
         SELECT 'row-' || i, ?1, 'agent_log', hex(randomblob(1500)), 'ok', '2000-01-01T00:00:00.000000Z' FROM n",
        vec![a.id.to_string()],
    )
    .await;
    let pages = |pragma: &'static str| {
        bed.app.store.read(move |conn| Ok(conn.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))?))
    };
    let before = pages("page_count").await.unwrap();
    let count = async || bed.read(&format!("/workspaces/{}/activity?limit=500", a.id)).await.as_array().unwrap().len();
    clock.advance(6 * HOUR - 60);
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(count().await, 500, "the period is not over");
    clock.advance(120);
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(count().await, 0);
    let (after, free) = (pages("page_count").await.unwrap(), pages("freelist_count").await.unwrap());
    assert!(free <= 1024 && after < before - 1000, "{before} pages, then {after} with {free} free");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_mirrored_events_go_after_a_day_and_whoever_stopped_before_reads_the_snapshot() {
    let (bed, clock) = bed().await;
    let a = bed.workspace("A", None).await;
    bed.app
        .store
        .write(move |tx| tx.record(molecule_model::event::EventKind::WorkspaceOnline, a.id, json!({})).map(drop))
        .await
        .unwrap();
    report(&bed, &a, "old").await;
    let old = bed.app.bus.last_seq();
    clock.advance(DAY - 60);
    report(&bed, &a, "young").await;
    // How many reports a resume from there brings; `None`: it has to read the snapshot.
    let resume = async |since| match bed.app.store.read(move |conn| replay(conn, since)).await.unwrap() {
        Replay::Events(events) => Some(events.iter().filter(|event| event.event == "ACTIVITY_LOGGED").count()),
        Replay::TooFar => None,
    };
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(resume(0).await, Some(2));
    clock.advance(120);
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!((resume(old - 1).await, resume(old).await), (None, Some(1)), "exactly or not at all");
    let recorded = bed.read(&format!("/events/{}", a.id)).await;
    assert!(recorded.as_array().unwrap().iter().any(|event| event["event_type"] == "WORKSPACE_ONLINE"));
    // Whoever has everything resumes still, also when nothing is left to resume.
    let last = bed.app.bus.last_seq();
    clock.advance(2 * DAY);
    activity::sweep_once(&bed.app).await.unwrap();
    assert_eq!(resume(last).await, Some(0));
    bed.stop().await;
}
