use reqwest::StatusCode;
use serde_json::json;

use crate::bed::{Bed, is_alive};

#[tokio::test]
async fn a_pause_stops_the_team_and_a_resume_brings_it_back() {
    let bed = Bed::new().await;
    let root = bed.online("Root").await;
    let child = bed.create(json!({"name": "Child", "runtime": "local", "parent_id": root})).await;
    bed.until_launched(child).await;
    let outside = bed.create(json!({"name": "Outside", "external": true, "parent_id": root})).await;
    let pids = [bed.pid(root), bed.pid(child)];
    let mut heard = bed.listen();
    let (status, body) = bed.post(&format!("/workspaces/{root}/pause")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "paused", "paused_count": 3})));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    let told: Vec<_> =
        heard.so_far().into_iter().filter(|(kind, _)| *kind == "WORKSPACE_PAUSED").filter_map(|(_, id)| id).collect();
    assert_eq!(told.len(), 3);
    assert_eq!(bed.row(root).await["url"], "");
    let (status, body) = bed.post(&format!("/workspaces/{root}/pause")).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (StatusCode::NOT_FOUND, Some("workspace not found or already paused"))
    );
    let (status, body) = bed.post(&format!("/workspaces/{child}/resume")).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (StatusCode::CONFLICT, Some("parent workspace \"Root\" is paused — resume it first"))
    );

    let (status, body) = bed.post(&format!("/workspaces/{root}/resume")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "provisioning", "resumed_count": 3})));
    bed.until_launched(root).await;
    bed.until_launched(child).await;
    assert_eq!(bed.status(outside).await, "awaiting_agent");
    let (status, body) = bed.post(&format!("/workspaces/{root}/resume")).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::NOT_FOUND, Some("workspace not found or not paused")));
}

#[tokio::test]
async fn r76_a_resume_asks_for_launchers_before_it_writes() {
    let bed = Bed::new().await;
    let root = bed.create(json!({"name": "Root", "external": true})).await;
    let coder = bed.create(json!({"name": "Coder", "parent_id": root})).await;
    bed.until_status(coder, "failed").await;
    bed.post(&format!("/workspaces/{root}/pause")).await;
    let (status, body) = bed.post(&format!("/workspaces/{root}/resume")).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("provisioner not available")));
    assert_eq!((bed.status(root).await, bed.status(coder).await), ("paused".to_owned(), "paused".to_owned()));
    let alone = bed.create(json!({"name": "Alone", "external": true})).await;
    bed.post(&format!("/workspaces/{alone}/pause")).await;
    let (status, body) = bed.post(&format!("/workspaces/{alone}/resume")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "awaiting_agent", "resumed_count": 1})));
}

#[tokio::test]
async fn a_pause_during_a_launch_holds() {
    let bed = Bed::with(
        "sleep 0.3; echo '{\"listening\":\"http://127.0.0.1:41234\"}'; while read -r line; do :; done",
        |_| {},
    )
    .await;
    let id = bed.create(json!({"name": "Slow", "runtime": "local"})).await;
    let (status, _) = bed.post(&format!("/workspaces/{id}/pause")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bed.status(id).await, "paused");
    assert!(!bed.app().paths.run_state(id).exists(), "nothing runs");
    bed.post(&format!("/workspaces/{id}/resume")).await;
    bed.until_launched(id).await;
}
