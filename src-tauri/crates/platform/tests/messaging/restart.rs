//! What a stop or a crash leaves behind.

use std::sync::Arc;

use axum::response::Response;
use molecule_model::{Timestamp, WorkspaceId, event::EventKind};
use molecule_platform::SystemClock;
use molecule_store::{
    Store,
    delegations::{self, Request},
    inflight::{self, NewInflight},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{agent::Agent, bed::Bed};

const DETAIL: &str = "interrupted: Molecule stopped while the agent was working. Send it again to retry.";

#[tokio::test(flavor = "multi_thread")]
async fn r47_what_a_crash_cut_off_is_shown_as_interrupted() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.workspace("Hand", Some(lead.id)).await;
    let dir = Arc::clone(&bed.dir);
    bed.stop().await;
    // A crash: the rows of messages on their way, and nobody who knows of them.
    let store = Store::open(
        &dir.path().join("molecule.db"),
        Arc::new(|| Timestamp::from_micros(1_700_000_000_000_000)),
        Arc::new(drop),
    )
    .unwrap();
    let (from, to): (WorkspaceId, WorkspaceId) = (lead.id, hand.id);
    store
        .write(move |tx| {
            for (id, source_id, text) in [("i1", None, "first"), ("i2", Some(from.to_string()), "second")] {
                let request_body =
                    json!({"method": "message/send", "params": {"message": {"messageId": text}}}).to_string();
                inflight::insert(
                    tx,
                    &NewInflight {
                        id,
                        workspace: to,
                        source_id,
                        method: "message/send",
                        message_id: Some(text),
                        request_body: &request_body,
                    },
                )?;
            }
            let request = Request {
                from,
                to,
                task: "dig".into(),
                delegation_id: "d1".into(),
                idempotency_key: None,
                recorded: false,
            };
            delegations::insert(tx, &request).map(drop)
        })
        .await
        .unwrap();
    store.close().await;
    drop(store);

    let bed = Bed::start(dir, |_| {}, Arc::new(SystemClock)).await;
    let since = 0;
    let rows = bed.activity(to).await;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["request_body"]["params"]["message"]["messageId"].as_str().unwrap(),
                row["source_id"].as_str(),
                row["status"].as_str().unwrap(),
                row["error_detail"].as_str().unwrap(),
            )
        })
        .collect();
    let source = from.to_string();
    assert_eq!(told, [("second", Some(source.as_str()), "error", DETAIL), ("first", None, "error", DETAIL)]);
    assert_eq!(bed.read(&format!("/workspaces/{to}/inflight")).await, json!([]));
    let delegations = bed.read(&format!("/workspaces/{from}/delegations")).await;
    assert_eq!((&delegations[0]["status"], &delegations[0]["error"]), (&json!("failed"), &json!(DETAIL)));
    // A screen that resumes hears of it.
    let replayed = bed.app.store.read(move |conn| molecule_platform::events::replay(conn, since)).await.unwrap();
    let molecule_platform::events::Replay::Events(events) = replayed else { panic!("too far") };
    // What brings the workspaces back tells its own events beside these.
    let kinds: Vec<_> =
        events.iter().map(|event| event.event.as_str()).filter(|kind| !kind.starts_with("WORKSPACE_")).collect();
    assert_eq!(
        kinds,
        [EventKind::ActivityLogged.as_str(), EventKind::ActivityLogged.as_str(), EventKind::DelegationFailed.as_str()]
    );
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_writes_down_what_it_cuts_off() {
    let bed = Bed::new().await;
    let arrived = Arc::new(tokio::sync::Notify::new());
    let here = Arc::clone(&arrived);
    let agent = Agent::new(move |_| {
        here.notify_one();
        std::future::pending::<Response>()
    })
    .await;
    let a = bed.agent("Never", None, &agent.url).await;
    let sending = tokio::spawn(bed.say(a.id, "hi").send());
    arrived.notified().await;
    let dir = Arc::clone(&bed.dir);
    bed.stop().await;
    let answer = sending.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "stopping");
    let bed = Bed::start(dir, |_| {}, Arc::new(SystemClock)).await;
    let rows = bed.activity(a.id).await;
    assert_eq!((rows.len(), &rows[0]["error_detail"]), (1, &json!(DETAIL)));
    bed.stop().await;
}

/// R-51 brings back what earlier runs left. What is made while the recovery is still at it has a launch of its own.
#[tokio::test(flavor = "multi_thread")]
async fn r51_a_workspace_that_is_made_during_the_recovery_is_left_alone() {
    let bed = Bed::new().await;
    let earlier = bed.workspace("Earlier", None).await;
    let dir = Arc::clone(&bed.dir);
    bed.stop().await;
    let bed = Bed::start(dir, |config| config.hanging_step = Some("agents".into()), Arc::new(SystemClock)).await;
    let later = bed.workspace("Later", None).await;
    let known = [earlier.id].into();
    molecule_platform::provisioning::recover(&bed.app, &known).await;
    // Whom it brings back is told of in the transaction that marks them.
    let told = bed.app.store.read(|conn| molecule_platform::events::replay(conn, 0)).await.unwrap();
    let molecule_platform::events::Replay::Events(told) = told else { panic!("too far") };
    let about = |id: WorkspaceId| told.iter().filter(|event| event.workspace_id == id.to_string()).count();
    assert!(about(earlier.id) > 0);
    assert_eq!(about(later.id), 0, "{told:?}");
    bed.stop().await;
}
