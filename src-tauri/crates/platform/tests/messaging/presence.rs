//! Silence, on a clock that the test moves (10 §18.4, S109–S112).

use std::sync::Arc;

use molecule_model::{Status, Timestamp, WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_platform::{ManualClock, registry::sweep_once};
use serde_json::json;

use crate::bed::{Bed, Known};

struct Timed {
    bed: Bed,
    clock: Arc<ManualClock>,
}

impl Timed {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let bed = Bed::start(Arc::new(tempfile::tempdir().unwrap()), |_| {}, clock.clone()).await;
        Self { bed, clock }
    }

    /// Time goes by, a sweep every fifteen seconds.
    async fn pass(&self, seconds: i64) {
        for _ in 0..seconds / 15 {
            self.clock.advance(15);
            sweep_once(&self.bed.app).await;
        }
    }

    async fn status(&self, id: WorkspaceId) -> Status {
        self.bed.row(id).await.status
    }

    async fn beat(&self, of: &Known) {
        let beat = json!({"workspace_id": of.id});
        self.bed.post("/registry/heartbeat").bearer_auth(&of.token).json(&beat).send().await.unwrap();
    }

    async fn external(&self, name: &str) -> Known {
        let known = self.bed.workspace_as(name, None, "external", DeliveryMode::Poll).await;
        let body = json!({"id": known.id, "agent_card": {"name": name}});
        self.bed.post("/registry/register").bearer_auth(&known.token).json(&body).send().await.unwrap();
        known
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s109_s110_s196_silent_agents_lose_their_status_and_get_it_back() {
    let t = Timed::new().await;
    let ours = t.bed.agent("Ours", None, "http://127.0.0.1:9876").await;
    let theirs = t.external("Theirs").await;
    let alive = t.external("Alive").await;
    let mut events = t.bed.events();
    t.pass(75).await;
    assert_eq!(t.status(theirs.id).await, Status::Online);
    t.beat(&alive).await;
    t.pass(30).await;
    assert_eq!(t.status(theirs.id).await, Status::AwaitingAgent, "90 s of silence");
    assert_eq!(t.status(alive.id).await, Status::Online);
    assert_eq!(t.status(ours.id).await, Status::Online, "180 s for the others");
    let told = events.next(EventKind::WorkspaceOffline).await;
    assert_eq!((told.workspace, &told.envelope.payload), (Some(theirs.id), &json!({})));
    t.pass(90).await;
    assert_eq!(t.status(ours.id).await, Status::Offline);
    // A sign of life brings both back.
    t.beat(&ours).await;
    t.beat(&theirs).await;
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Online, Status::Online));
    let back =
        events.find(|event| event.kind == EventKind::WorkspaceOnline && event.workspace == Some(theirs.id)).await;
    assert_eq!(back.envelope.payload, json!({"recovered_from": "awaiting_agent"}));
    t.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s110_r3_nobody_is_called_dead_for_our_own_sleep() {
    let t = Timed::new().await;
    let ours = t.bed.agent("Ours", None, "http://127.0.0.1:9876").await;
    let theirs = t.external("Theirs").await;
    for away in [8 * 3_600, -86_400, 86_400] {
        t.pass(30).await;
        t.clock.advance(away);
        t.pass(60).await;
        assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Online, Status::Online), "{away}");
        t.beat(&ours).await;
        t.beat(&theirs).await;
    }
    // Whoever stays silent afterwards is noticed.
    t.clock.advance(3_600);
    t.pass(240).await;
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Offline, Status::AwaitingAgent));
    t.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s112_a_process_that_is_gone_is_found() {
    let t = Timed::new().await;
    let a = t.bed.agent("Ours", None, "http://127.0.0.1:9876").await;
    let mut events = t.bed.events();
    t.bed.sql("UPDATE workspaces SET launched = 1 WHERE id = ?1", vec![a.id.to_string()]).await;
    sweep_once(&t.bed.app).await;
    let told = events.next(EventKind::WorkspaceOffline).await;
    assert_eq!(told.workspace, Some(a.id));
    t.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s110_a_fresh_server_calls_nobody_silent() {
    let t = Timed::new().await;
    let theirs = t.external("Theirs").await;
    let ours = t.bed.agent("Ours", None, "http://127.0.0.1:9876").await;
    let dir = Arc::clone(&t.bed.dir);
    t.bed.stop().await;
    // Down for an hour.
    t.clock.advance(3_600);
    let bed = Bed::start(dir, |_| {}, t.clock.clone()).await;
    let t = Timed { bed, clock: t.clock };
    t.pass(75).await;
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Online, Status::Online));
    t.pass(120).await;
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Offline, Status::AwaitingAgent));
    t.bed.stop().await;
}

/// S196 as its agent and a screen live it: the create answer, the token in it, three minutes of silence.
#[tokio::test(flavor = "multi_thread")]
async fn s196_created_registered_silent_registered_again() {
    let t = Timed::new().await;
    let made =
        t.bed.post("/workspaces").bearer_auth(&t.bed.admin).json(&json!({"name": "Mine", "runtime": "external"}));
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    let id: WorkspaceId = WorkspaceId::parse_loose(made["id"].as_str().unwrap()).unwrap();
    let token = made["connection"]["auth_token"].as_str().unwrap().to_owned();
    assert_eq!((&made["status"], t.status(id).await), (&json!("awaiting_agent"), Status::AwaitingAgent));
    let mut events = t.bed.events();
    let register = async || {
        let body = json!({"id": id, "agent_card": {"name": "Mine"}});
        let answer = t.bed.post("/registry/register").bearer_auth(&token).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert!(answer.get("auth_token").is_none(), "it has its token already: {answer}");
    };
    register().await;
    assert_eq!(t.status(id).await, Status::Online);
    events.find(|event| event.kind == EventKind::WorkspaceOnline && event.workspace == Some(id)).await;
    t.pass(180).await;
    assert_eq!(t.status(id).await, Status::AwaitingAgent);
    events.find(|event| event.kind == EventKind::WorkspaceOffline && event.workspace == Some(id)).await;
    // What was said to it meanwhile is there when it comes back.
    t.bed.say(id, "are you there").send().await.unwrap();
    register().await;
    assert_eq!(t.status(id).await, Status::Online);
    events.find(|event| event.kind == EventKind::WorkspaceOnline && event.workspace == Some(id)).await;
    let path = format!("/workspaces/{id}/activity?type=a2a_receive");
    let mail: serde_json::Value = t.bed.get(&path).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(mail[0]["data"]["text"], "are you there");
    t.bed.stop().await;
}
