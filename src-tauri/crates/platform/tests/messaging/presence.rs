//! Silence, on a clock that the test moves (10 §18.4, S109–S112).

use std::sync::Arc;

use molecule_model::{Status, Timestamp, WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_platform::{
    ManualClock, SystemClock,
    registry::{free_phantoms, sweep_once},
};
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
    assert_eq!((told.workspace, &told.envelope.payload.fields()), (Some(theirs.id), &json!({})));
    t.pass(90).await;
    assert_eq!(t.status(ours.id).await, Status::Offline);
    // A sign of life brings both back.
    t.beat(&ours).await;
    t.beat(&theirs).await;
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Online, Status::Online));
    let back =
        events.find(|event| event.kind == EventKind::WorkspaceOnline && event.workspace == Some(theirs.id)).await;
    assert_eq!(back.envelope.payload.fields(), json!({"recovered_from": "awaiting_agent"}));
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
async fn s111_s112_a_process_that_is_gone_is_found() {
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

/// S111, R-59: without any launcher that answers the sweep goes round all the same, and says of nobody that he is dead
/// whom we did not start.
#[tokio::test(flavor = "multi_thread")]
async fn s111_r59_without_a_launcher_the_sweep_still_sees_silent_externals_and_nobody_else() {
    let t = Timed::new().await;
    assert!(!t.bed.app.provisioning.has_launcher("local").await);
    let ours = t.bed.agent("Registered itself", None, "http://127.0.0.1:9876").await;
    let theirs = t.external("Theirs").await;
    for _ in 0..3 {
        t.pass(45).await;
        t.beat(&ours).await;
    }
    assert_eq!((t.status(ours.id).await, t.status(theirs.id).await), (Status::Online, Status::AwaitingAgent));
    t.bed.stop().await;
}

/// O-4, S093: whoever was called dead and beats again is watched again.
#[tokio::test(flavor = "multi_thread")]
async fn o4_s093_a_beat_after_the_end_arms_the_deadline_anew() {
    let t = Timed::new().await;
    let a = t.bed.agent("Flaky", None, "http://127.0.0.1:9876").await;
    for _ in 0..2 {
        t.pass(240).await;
        assert_eq!(t.status(a.id).await, Status::Offline);
        t.beat(&a).await;
        assert_eq!(t.status(a.id).await, Status::Online);
    }
    t.bed.stop().await;
}

/// S120, R-59 in the sweep of silence: pause, sleep and a launch of its own are nobody's silence.
#[tokio::test(flavor = "multi_thread")]
async fn s109_silence_moves_nobody_who_was_put_to_rest() {
    let t = Timed::new().await;
    for status in [Status::Paused, Status::Hibernated, Status::Provisioning, Status::Failed, Status::Removed] {
        let a = t.bed.agent("Resting", None, "http://127.0.0.1:9876").await;
        t.bed.sql("UPDATE workspaces SET status = ?2 WHERE id = ?1", vec![a.id.to_string(), status.to_string()]).await;
        t.pass(240).await;
        assert_eq!(t.status(a.id).await, status);
    }
    t.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r109_a_task_that_nobody_works_on_is_ended_and_told() {
    let t = Timed::new().await;
    let (stuck, alive) = (
        t.bed.agent("Stuck", None, "http://127.0.0.1:9876").await,
        t.bed.agent("Alive", None, "http://127.0.0.1:9877").await,
    );
    for of in [&stuck, &alive] {
        let beat = json!({"workspace_id": of.id, "active_tasks": 1, "current_task": "digging"});
        t.bed.post("/registry/heartbeat").bearer_auth(&of.token).json(&beat).send().await.unwrap();
    }
    let busy = async |of: &Known| t.bed.row(of.id).await.active_tasks;
    t.pass(300).await;
    let beat = json!({"workspace_id": alive.id, "active_tasks": 1, "current_task": "digging"});
    t.bed.post("/registry/heartbeat").bearer_auth(&alive.token).json(&beat).send().await.unwrap();
    free_phantoms(&t.bed.app).await;
    assert_eq!((busy(&stuck).await, busy(&alive).await), (1, 1));
    t.pass(330).await;
    let mut events = t.bed.events();
    free_phantoms(&t.bed.app).await;
    assert_eq!((busy(&stuck).await, busy(&alive).await), (0, 1), "younger than ten minutes is left alone");
    let told = events.next(EventKind::TaskUpdated).await;
    assert_eq!(
        (told.workspace, &told.envelope.payload.fields()),
        (Some(stuck.id), &json!({"current_task": "", "active_tasks": 0}))
    );
    // A night with a closed lid is no silence of the agent's.
    t.clock.advance(8 * 3_600);
    free_phantoms(&t.bed.app).await;
    assert_eq!(busy(&alive).await, 1);
    t.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s122_every_loop_is_seen_and_a_panic_too() {
    let t = Timed::new().await;
    t.bed.app.tasks.supervise("shaky", |_| async { panic!("as the test wants") });
    let deadline = std::time::Instant::now() + crate::bed::PATIENCE;
    let health = loop {
        let health = t.bed.read("/health").await;
        if health["subsystems"]["shaky"]["panics"].as_u64() > Some(0) {
            break health;
        }
        assert!(std::time::Instant::now() < deadline, "{health}");
        tokio::task::yield_now().await;
    };
    let liveness = t.bed.read("/admin/liveness").await;
    for name in [
        "liveness-monitor",
        "health-sweep",
        "orphan-sweeper",
        "provision-timeout-sweep",
        "hibernation-monitor",
        "phantom-busy-sweep",
        "agent-exits",
        "shaky",
    ] {
        for answer in [&health, &liveness] {
            let loop_ = &answer["subsystems"][name];
            assert!(loop_["last_tick_at"].is_string() && loop_["seconds_ago"].is_u64(), "{name}: {loop_}");
        }
    }
    let metrics = t.bed.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = metrics.lines().any(|line| {
        line.strip_prefix("molecule_background_panics_total{task=\"shaky\"} ").is_some_and(|count| count != "0")
    });
    assert!(counted && metrics.contains("molecule_background_panics_total{task=\"health-sweep\"} 0"), "{metrics}");
    t.bed.stop().await;
}

/// R5: a step of the recovery that hangs is named, holds up neither the other step nor anything else.
#[tokio::test(flavor = "multi_thread")]
async fn target_r5_a_recovery_step_that_hangs_holds_nothing_up() {
    for hanging in ["agents", "messages"] {
        // Comes back when every other step is done.
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let bed = Bed::start(dir, |config| config.hanging_step = Some(hanging.into()), Arc::new(SystemClock)).await;
        assert_eq!(bed.read("/health").await["recovering"], json!([hanging]));
        let agent = crate::agent::Agent::saying("here").await;
        let a = bed.agent("Works", None, &agent.url).await;
        let answer = bed.say(a.id, "hello").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{hanging}");
        assert_eq!(bed.activity(a.id).await.len(), 1);
        bed.stop().await;
    }
}
