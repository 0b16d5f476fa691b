use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test]
async fn r41_r71_r72_the_whole_object_and_the_stripped_one() {
    let bed = Bed::new().await;
    let id = bed.online("Docs Writer").await;
    let path = format!("/workspaces/{id}");
    let full = bed.get(&path).await;
    let keys: Vec<&String> = full.as_object().unwrap().keys().collect();
    insta::assert_debug_snapshot!(keys, @r#"
    [
        "id",
        "name",
        "role",
        "tier",
        "status",
        "url",
        "parent_id",
        "runtime",
        "agent_card",
        "active_tasks",
        "max_concurrent_tasks",
        "uptime_seconds",
        "last_error_rate",
        "x",
        "y",
        "collapsed",
        "last_heartbeat_at",
        "last_sample_error",
        "current_task",
        "workspace_dir",
        "budget_limit",
        "monthly_spend",
        "budget_used",
        "hibernation_idle_minutes",
        "delivery_mode",
        "created_at",
        "queued_messages",
    ]
    "#);
    assert_eq!(bed.get("/workspaces").await[0], full);
    let hidden = ["budget_limit", "monthly_spend", "current_task", "last_sample_error", "workspace_dir", "budget_used"];
    for bearer in [None, Some("not-a-token")] {
        let (status, stripped) = bed.ask_as(bearer, Method::GET, &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        assert!(hidden.iter().all(|key| stripped.get(key).is_none()), "{stripped}");
        assert!(stripped.get("last_outbound_at").is_some() && stripped.get("last_heartbeat_at").is_some());
    }
    let own = bed.token(id);
    let (_, own) = bed.ask_as(Some(&own), Method::GET, &path, Value::Null).await;
    assert_eq!(own, full);
    let stranger = bed.online("Other").await;
    let (_, other) = bed.ask_as(Some(&bed.token(stranger)), Method::GET, &path, Value::Null).await;
    assert!(other.get("current_task").is_none());
}

#[tokio::test]
async fn ids_that_are_none_or_nobodys() {
    let bed = Bed::new().await;
    let (status, body) = bed.ask(Method::GET, "/workspaces/nobody", Value::Null).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid workspace ID")));
    let unknown = "/workspaces/7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11";
    let (status, body) = bed.ask(Method::GET, unknown, Value::Null).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::NOT_FOUND, Some("workspace not found")));
    let (status, body) = bed.ask(Method::GET, &format!("{unknown}/state"), Value::Null).await;
    assert_eq!(
        (status, body),
        (StatusCode::NOT_FOUND, json!({"workspace_id": "7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11", "deleted": true}))
    );
    let id = bed.create(json!({"name": "Mine", "external": true})).await;
    let braces = format!("/workspaces/{{{}}}", id.to_string().to_uppercase());
    assert_eq!(bed.get(&braces).await["id"], json!(id));
}

#[tokio::test]
async fn s099_s100_a_removed_workspace_is_gone_and_says_so() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Mine", "external": true})).await;
    let (status, _) = bed.ask(Method::DELETE, &format!("/workspaces/{id}"), Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    for bearer in [None, Some(bed.admin())] {
        let (status, body) =
            bed.ask_as(bearer.as_deref(), Method::GET, &format!("/workspaces/{id}"), Value::Null).await;
        assert_eq!(
            (status, body["error"].as_str(), body["id"].as_str()),
            (StatusCode::GONE, Some("workspace removed"), Some(id.to_string().as_str()))
        );
        assert!(body["removed_at"].is_string() && body["hint"].is_string());
    }
    assert_eq!(bed.row(id).await["status"], "removed");
    let (status, body) = bed.ask(Method::GET, &format!("/workspaces/{id}/state"), Value::Null).await;
    assert_eq!(
        (status, body),
        (StatusCode::NOT_FOUND, json!({"workspace_id": id, "status": "removed", "deleted": true}))
    );
}

#[tokio::test]
async fn state_tells_of_a_pause() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Mine", "external": true})).await;
    let state = format!("/workspaces/{id}/state");
    assert_eq!(
        bed.get(&state).await,
        json!({"workspace_id": id, "status": "awaiting_agent", "paused": false, "deleted": false})
    );
    bed.post(&format!("/workspaces/{id}/pause")).await;
    assert_eq!(
        bed.get(&state).await,
        json!({"workspace_id": id, "status": "paused", "paused": true, "deleted": false})
    );
}

#[tokio::test]
async fn r96_the_console_is_redacted() {
    let bed = Bed::with(r#"echo '{"listening":"http://127.0.0.1:41234"}'; echo "SOME_TOKEN=abc at $PLATFORM_URL/x" >&2; while read -r l; do :; done"#, |_| {}).await;
    let id = bed.running("Talker").await;
    let console = format!("/workspaces/{id}/console");
    bed.until("something was written", || async { bed.get(&console).await["output"] != "" }).await;
    let output = bed.get(&console).await["output"].as_str().unwrap().to_owned();
    assert!(
        output.contains("[REDACTED:TOKEN]") && output.contains("/as/[REDACTED]/x") && !output.contains("abc"),
        "{output}"
    );
    let quiet = bed.create(json!({"name": "Quiet"})).await;
    assert_eq!(bed.get(&format!("/workspaces/{quiet}/console")).await, json!({"output": ""}));
    let external = bed.create(json!({"name": "Mine", "external": true})).await;
    let (status, body) = bed.ask(Method::GET, &format!("/workspaces/{external}/console"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{body}");
}
