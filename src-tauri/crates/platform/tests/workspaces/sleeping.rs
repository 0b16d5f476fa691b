//! Sleep by hand and after a while without work, and what wakes (10 §9.5, §18.4, 20 §3.5, §8.5).

use molecule_model::{WorkspaceId, event::EventKind};
use molecule_platform::{registry::sweep_once, workspaces::hibernation::hibernate_idle};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::{Bed, is_alive};

/// Says how many tasks it works on, as its heartbeats do.
async fn beat(bed: &Bed, id: WorkspaceId, active_tasks: u32) {
    let beat = json!({"workspace_id": id, "active_tasks": active_tasks, "uptime_seconds": 5});
    let (status, body) = bed.ask_as(Some(&bed.token(id)), Method::POST, "/registry/heartbeat", beat).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

/// Minutes go by; the agents beat, and the sweeps go round.
async fn pass(bed: &Bed, ids: &[WorkspaceId], minutes: u32) {
    for _ in 0..2 * minutes {
        bed.clock.advance(30);
        for id in ids {
            beat(bed, *id, 0).await;
        }
        sweep_once(bed.app()).await;
        hibernate_idle(bed.app()).await;
    }
}

async fn let_sleep_after(bed: &Bed, id: WorkspaceId, minutes: Value) -> StatusCode {
    let body = json!({"hibernation_idle_minutes": minutes});
    bed.ask(Method::PATCH, &format!("/workspaces/{id}"), body).await.0
}

#[tokio::test]
async fn o20_a_busy_agent_is_put_to_sleep_only_by_force() {
    let bed = Bed::new().await;
    let id = bed.online("Sleeper").await;
    let hibernate = format!("/workspaces/{id}/hibernate");
    beat(&bed, id, 2).await;
    let (status, body) = bed.post(&hibernate).await;
    assert_eq!((status, body["active_tasks"].as_i64()), (StatusCode::CONFLICT, Some(2)));
    assert_eq!(bed.status(id).await, "online");
    let (pid, mut heard) = (bed.pid(id), bed.listen());
    let (status, body) = bed.post(&format!("{hibernate}?force=true")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "hibernated"})));
    assert!(!is_alive(pid));
    let event = heard.next(&[EventKind::WorkspaceHibernated]).await;
    assert_eq!(event.envelope.payload.fields(), json!({"name": "Sleeper", "tier": 3}));
    let row = bed.row(id).await;
    assert_eq!((row["status"].as_str(), row["url"].as_str()), (Some("hibernated"), Some("")));
    assert_eq!(bed.post(&hibernate).await.0, StatusCode::NOT_FOUND);
    // A late beat of the old process moves nothing (10 §18.2).
    beat(&bed, id, 0).await;
    assert_eq!(bed.status(id).await, "hibernated");
}

#[tokio::test]
async fn s18_4_an_idle_agent_sleeps_after_its_minutes_and_no_other_does() {
    let bed = Bed::new().await;
    let (sleeper, wakeful) = (bed.online("Sleeper").await, bed.online("Wakeful").await);
    assert_eq!(let_sleep_after(&bed, sleeper, json!(5)).await, StatusCode::OK);
    assert_eq!(bed.row(sleeper).await["hibernation_idle_minutes"], 5);
    for bad in [json!(0), json!(-1), json!(1.5), json!("5"), json!(1_000_000_000), json!(true)] {
        assert_eq!(let_sleep_after(&bed, sleeper, bad.clone()).await, StatusCode::BAD_REQUEST, "{bad}");
    }
    // A healthy agent beats all the time; that is no work.
    pass(&bed, &[sleeper, wakeful], 4).await;
    assert_eq!(bed.status(sleeper).await, "online");
    // Work is, and it counts from its end.
    beat(&bed, sleeper, 1).await;
    pass(&bed, &[sleeper, wakeful], 4).await;
    assert_eq!(bed.status(sleeper).await, "online");
    let mut heard = bed.listen();
    pass(&bed, &[sleeper, wakeful], 1).await;
    assert_eq!(bed.status(sleeper).await, "hibernated");
    assert_eq!(heard.next(&[EventKind::WorkspaceHibernated]).await.workspace, Some(sleeper));
    assert_eq!(bed.status(wakeful).await, "online", "nobody said that it may");
}

#[tokio::test]
async fn s18_4_a_message_counts_as_work_and_so_does_one_that_waits() {
    let bed = Bed::new().await;
    let id = bed.online("Sleeper").await;
    let_sleep_after(&bed, id, json!(3)).await;
    pass(&bed, &[id], 2).await;
    // Its own answer to the person is a row of what it was sent.
    let said = json!({"message": "working on it"});
    let (status, body) =
        bed.ask_as(Some(&bed.token(id)), Method::POST, &format!("/workspaces/{id}/notify"), said).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    pass(&bed, &[id], 2).await;
    assert_eq!(bed.status(id).await, "online");
    let waiting = |status: &'static str| {
        bed.app().store.write(move |tx| {
            tx.execute("DELETE FROM a2a_queue", [])?;
            let sql = "INSERT INTO a2a_queue (id, workspace_id, body, status, enqueued_at) VALUES ('q', ?1, '{}', ?2, '2026')";
            Ok(tx.execute(sql, [id.to_string(), status.to_owned()])?)
        })
    };
    waiting("dispatched").await.unwrap();
    pass(&bed, &[id], 3).await;
    assert_eq!(bed.status(id).await, "online", "something is on its way to it");
    waiting("completed").await.unwrap();
    pass(&bed, &[id], 1).await;
    assert_eq!(bed.status(id).await, "hibernated");
}

/// Eight hours with a closed lid are no idleness, and nothing that was allowed to sleep does so at the moment it opens.
#[tokio::test]
async fn done_when_9_a_closed_lid_puts_nobody_to_sleep() {
    let bed = Bed::new().await;
    let id = bed.online("Sleeper").await;
    let_sleep_after(&bed, id, json!(5)).await;
    pass(&bed, &[id], 2).await;
    bed.clock.advance(8 * 3_600);
    hibernate_idle(bed.app()).await;
    assert_eq!(bed.status(id).await, "online");
    pass(&bed, &[id], 4).await;
    assert_eq!(bed.status(id).await, "online");
    pass(&bed, &[id], 1).await;
    assert_eq!(bed.status(id).await, "hibernated");
}
