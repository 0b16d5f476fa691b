//! Heartbeats and cards: what an agent says of itself (10 §5, §6).

use molecule_model::{Status, event::EventKind};
use serde_json::{Value, json};

use super::{call, register};
use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn s090_every_beat_is_heard_and_a_new_task_is_told() {
    let bed = Bed::new().await;
    let a = bed.agent("Busy", None, "http://127.0.0.1:9876").await;
    let mut events = bed.events();
    let beat = json!({"workspace_id": a.id, "active_tasks": 1, "current_task": "Reading", "uptime_seconds": 412, "monthly_spend": 1375});
    for _ in 0..2 {
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &beat).await.0, 200);
    }
    let told = events.next(EventKind::TaskUpdated).await;
    assert_eq!(told.envelope.payload.fields(), json!({"current_task": "Reading", "active_tasks": 1}));
    assert!(told.envelope.seq.is_some(), "numbered for resume (R-20)");
    for _ in 0..2 {
        let heard = events.next(EventKind::WorkspaceHeartbeat).await;
        assert_eq!(heard.envelope.payload.fields(), json!({"active_tasks": 1, "uptime_seconds": 412}));
        assert_eq!(heard.envelope.seq, None);
    }
    assert!(!events.waiting().contains(&EventKind::TaskUpdated));
    assert_eq!(bed.row(a.id).await.monthly_spend, 1375);
    for bad in [
        json!({}),
        json!({"workspace_id": ""}),
        json!({"workspace_id": a.id, "active_tasks": 1.5}),
        json!({"workspace_id": a.id, "uptime_seconds": "1"}),
    ] {
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &bad).await.0, 400, "{bad}");
    }
    bed.stop().await;
}

/// S091, S092, O-25: a beat replaces what the one before said of the runtime; one that says nothing clears it; a
/// side beat leaves it alone.
#[tokio::test(flavor = "multi_thread")]
async fn r60_beats_that_come_together_are_each_on_disk_before_their_answer() {
    let bed = Bed::new().await;
    let mut agents = Vec::new();
    for number in 1..=60_i64 {
        agents.push((number, bed.workspace(&format!("Agent {number}"), None).await));
    }
    let beats = agents.iter().map(async |(number, agent)| {
        let beat = json!({"workspace_id": agent.id, "uptime_seconds": number});
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&agent.token), &beat).await.0, 200);
        let row = bed.row(agent.id).await;
        assert_eq!((row.uptime_seconds, row.status), (*number, Status::Online));
    });
    futures_util::future::join_all(beats).await;
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s091_s092_o25_r40_what_a_beat_says_of_the_runtime() {
    let bed = Bed::new().await;
    let a = bed.agent("Native", None, "http://127.0.0.1:9876").await;
    let beat = async |more: Value| {
        let mut body = json!({"workspace_id": a.id, "uptime_seconds": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &body).await.0, 200, "{body}");
        (bed.app.presence.is_native(a.id, "session"), bed.app.presence.idle_timeout(a.id).map(|time| time.as_secs()))
    };
    let said =
        json!({"runtime_metadata": {"capabilities": {"session": true, "retry": false}, "idle_timeout_seconds": 600}});
    assert_eq!(beat(said.clone()).await, (true, Some(600)));
    assert_eq!(beat(json!({"uptime_seconds": 0})).await, (true, Some(600)), "a side beat");
    for timeout in [json!(0), json!(-5), Value::Null] {
        let only = json!({"runtime_metadata": {"capabilities": {"session": true}, "idle_timeout_seconds": timeout}});
        assert_eq!(beat(only).await, (true, None), "{timeout}");
    }
    assert_eq!(beat(json!({"runtime_metadata": {"idle_timeout_seconds": 7}})).await, (false, Some(7)), "apart");
    beat(said.clone()).await;
    assert_eq!(beat(json!({})).await, (false, None), "said nothing: cleared (O-25)");
    for bad in [
        json!({"capabilities": {"session": "yes"}}),
        json!({"capabilities": []}),
        json!({"idle_timeout_seconds": 1.5}),
        json!("x"),
    ] {
        let body = json!({"workspace_id": a.id, "runtime_metadata": bad});
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &body).await.0, 400, "{bad}");
    }
    // S107: who judges its own health is not judged by its error rate.
    let native = json!({"runtime_metadata": {"capabilities": {"status_mgmt": true}}, "error_rate": 0.0});
    beat(native.clone()).await;
    beat(json!({"runtime_metadata": native["runtime_metadata"], "error_rate": 0.9})).await;
    assert_eq!(bed.row(a.id).await.status, Status::Online);
    beat(json!({"error_rate": 0.9})).await;
    assert_eq!(bed.row(a.id).await.status, Status::Online, "judged by what was said before this beat (10 §5.2)");
    beat(json!({"error_rate": 0.9, "sample_error": "no key"})).await;
    let row = bed.row(a.id).await;
    assert_eq!((row.status, row.last_sample_error.as_deref()), (Status::Degraded, Some("no key")));
    bed.stop().await;
}

/// 10 §6: what a card update changes is committed before its answer, and told; an unknown id is fine.
#[tokio::test(flavor = "multi_thread")]
async fn r60_r93_a_new_card_is_stored_before_the_answer_and_told() {
    let bed = Bed::new().await;
    let a = bed.agent("Carded", None, "http://127.0.0.1:9876").await;
    let mut events = bed.events();
    let body = json!({"workspace_id": a.id, "agent_card": {"name": "New", "n": 1.0e3}});
    let answer = call(&bed, "/registry/update-card", Some(&a.token), &body).await;
    assert_eq!(answer, (200, json!({"status": "updated"})));
    assert_eq!(bed.read(&format!("/workspaces/{}", a.id)).await["agent_card"], body["agent_card"]);
    let told = events.next(EventKind::AgentCardUpdated).await;
    assert_eq!(told.envelope.payload.fields(), json!({"agent_card": body["agent_card"]}));
    for bad in [
        json!({}),
        json!({"workspace_id": a.id}),
        json!({"agent_card": {}}),
        json!({"workspace_id": 7, "agent_card": {}}),
    ] {
        let answer = call(&bed, "/registry/update-card", Some(&a.token), &bad).await;
        assert_eq!(answer, (400, json!({"error": "invalid request body"})), "{bad}");
    }
    // A register with the same card is no news of the card; with another it is.
    let again = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": body["agent_card"]});
    register(&bed, Some(&a.token), &again).await;
    events.next(EventKind::WorkspaceOnline).await;
    assert!(!events.waiting().contains(&EventKind::AgentCardUpdated));
    let other = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": {"name": "Newer"}});
    register(&bed, Some(&a.token), &other).await;
    events.next(EventKind::WorkspaceOnline).await;
    assert_eq!(events.waiting(), [EventKind::AgentCardUpdated], "right after");
    bed.stop().await;
}
