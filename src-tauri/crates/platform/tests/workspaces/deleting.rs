use molecule_model::event::EventKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::{Bed, is_alive};

#[tokio::test]
async fn children_ask_for_a_confirmation() {
    let bed = Bed::new().await;
    let root = bed.create(json!({"name": "Root", "external": true})).await;
    let child = bed.create(json!({"name": "Child", "external": true, "parent_id": root})).await;
    let (status, body) = bed.ask(Method::DELETE, &format!("/workspaces/{root}"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!((body["status"].as_str(), body["children_count"].as_i64()), (Some("confirmation_required"), Some(1)));
    assert_eq!(body["children"], json!([{"id": child, "name": "Child"}]));
    assert!(body["message"].is_string() && body["error"].is_string());
    assert_eq!(bed.status(root).await, "awaiting_agent");
}

#[tokio::test]
async fn s221_a_delete_takes_everything_below_and_stops_it() {
    let bed = Bed::new().await;
    let root = bed.online("Root").await;
    let child = bed.create(json!({"name": "Child", "runtime": "local", "parent_id": root})).await;
    bed.until_launched(child).await;
    let (pids, token) = ([bed.pid(root), bed.pid(child)], bed.token(root));
    std::fs::write(bed.app().paths.private_workspace(root).join("report.md"), "work").unwrap();
    let mut heard = bed.listen();
    let (status, body) = bed.ask(Method::DELETE, &format!("/workspaces/{root}?confirm=true"), Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "removed", "cascade_deleted": 1})));
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    let first = heard.next(&[EventKind::WorkspaceRemoved]).await;
    let second = heard.next(&[EventKind::WorkspaceRemoved]).await;
    assert_eq!((first.workspace, first.envelope.payload.fields()), (Some(child), json!({})));
    assert_eq!((second.workspace, second.envelope.payload.fields()), (Some(root), json!({"cascade_deleted": 1})));
    // Its token is dead, its config gone, its work kept.
    let activity = format!("/workspaces/{root}/activity");
    let (status, _) = bed.ask_as(Some(&token), Method::GET, &activity, Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // … and yet its agent is told to end its loop (40 §12).
    let (status, body) = bed.ask_as(Some(&token), Method::GET, &format!("/workspaces/{root}/state"), Value::Null).await;
    assert_eq!((status, &body["deleted"]), (StatusCode::NOT_FOUND, &json!(true)));
    assert!(!bed.app().paths.configs(root).exists() && !bed.app().paths.workspace(child).exists());
    assert!(bed.app().paths.private_workspace(root).join("report.md").exists());
    // Again is harmless, and so is somebody unknown.
    for path in [format!("/workspaces/{root}"), "/workspaces/7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11".to_owned()] {
        let (status, body) = bed.ask(Method::DELETE, &path, Value::Null).await;
        assert_eq!((status, body), (StatusCode::OK, json!({"status": "removed", "cascade_deleted": 0})));
    }
    let (status, body) = bed.post(&format!("/workspaces/{root}/restart")).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::NOT_FOUND, Some("workspace not found")));
}

#[tokio::test]
async fn a_purge_leaves_no_row_no_value_and_no_file() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Gone", "runtime": "local", "secrets": {"SOME_KEY": "v"}})).await;
    bed.until_launched(id).await;
    let (status, body) = bed.ask(Method::DELETE, &format!("/workspaces/{id}?purge=true"), Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "purged", "cascade_deleted": 0})));
    assert_eq!(bed.ask(Method::GET, &format!("/workspaces/{id}"), Value::Null).await.0, StatusCode::NOT_FOUND);
    assert!(!bed.app().paths.workspace(id).exists());
    let left: i64 = bed
        .app()
        .store
        .read(|conn| Ok(conn.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_team_is_dissolved_with_all_that_is_below() {
    let bed = Bed::new().await;
    let root = bed.create(json!({"name": "Root", "external": true})).await;
    let child = bed.create(json!({"name": "Child", "external": true, "parent_id": root})).await;
    let deep = bed.create(json!({"name": "Deep", "external": true, "parent_id": child})).await;
    let (status, body) = bed.post(&format!("/workspaces/{root}/collapse")).await;
    assert_eq!((status, body), (StatusCode::OK, json!({"status": "collapsed", "removed": ["Child"]})));
    assert_eq!(
        (bed.status(root).await.as_str(), bed.status(child).await.as_str(), bed.status(deep).await.as_str()),
        ("awaiting_agent", "removed", "removed")
    );
}
