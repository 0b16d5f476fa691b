//! Calls that shipped clients make with no credential (40 §6, §21 row 1): by a base URL they are that caller's in the
//! closed mode too (R-32), and without it they are refused.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::external::{External, external};
use crate::support::{Api, TestServer};

/// One call: who makes it, how, with what, and the status that its client reacts to.
type Call = (&'static str, Method, String, Value, u16);

async fn base_of(server: &TestServer, row: &External) -> String {
    let path = format!("/workspaces/{}/tokens", row.id);
    let made = server.admin().post(&path, &json!({"kind": "url"})).await.expect(201);
    made["url"].as_str().unwrap().to_owned()
}

async fn ask(api: &Api, (_, method, path, body, _): &Call) -> u16 {
    let request = api.request(method.clone(), path);
    let request = if *method == Method::GET { request } else { request.json(body) };
    api.send(request).await.status
}

/// What `api` gets for each call, where that is not what its client expects.
async fn mismatches(api: &Api, calls: &[Call]) -> Vec<String> {
    let mut wrong = Vec::new();
    for call in calls {
        let got = ask(api, call).await;
        if got != call.4 {
            wrong.push(format!("{}: {} {} got {got}, not {}", call.0, call.1, call.2, call.4));
        }
    }
    wrong
}

fn message(text: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": {
        "role": "user", "messageId": uuid::Uuid::new_v4(), "parts": [{"kind": "text", "text": text}]}}})
}

#[tokio::test]
async fn s40_21_row_1_what_the_runtime_calls_without_a_bearer_passes_by_base_url() {
    let server = TestServer::start().await;
    let own = external(&server, "Own", json!({})).await;
    let peer = external(&server, "Peer", json!({})).await;
    server
        .bearer(&own.token)
        .post("/registry/register", &json!({"id": own.id, "agent_card": {"name": "Own"}}))
        .await
        .expect(200);
    let at = |rest: &str| format!("/workspaces/{}{rest}", own.id);
    let delegation = uuid::Uuid::new_v4().to_string();
    let (get, post) = (Method::GET, Method::POST);
    let beat = json!({"workspace_id": own.id, "active_tasks": 1, "current_task": "t", "uptime_seconds": 0});
    let record = json!({"target_id": peer.id, "task": "t", "delegation_id": delegation});
    let card = json!({"workspace_id": own.id, "agent_card": {"name": "Newer"}});
    let calls: Vec<Call> = vec![
        ("a beat at the start of a task", post.clone(), "/registry/heartbeat".into(), beat, 200),
        ("the peer list of a prompt", get.clone(), format!("/registry/{}/peers", own.id), json!(null), 200),
        ("delegations, recorded", post.clone(), at("/delegations/record"), record, 202),
        (
            "delegations, updated",
            post.clone(),
            at(&format!("/delegations/{delegation}/update")),
            json!({"status": "completed", "response_preview": "p"}),
            200,
        ),
        ("delegations, read again", get.clone(), at("/delegations"), json!(null), 200),
        ("a completion notice", post.clone(), at("/notify"), json!({"type": "delegation_complete"}), 400),
        ("an approval", post.clone(), at("/approvals"), json!({"action": "a", "reason": "r"}), 201),
        ("approvals, polled", get.clone(), at("/approvals"), json!(null), 200),
        ("the card", post.clone(), "/registry/update-card".into(), card, 200),
        (
            "the status line",
            post.clone(),
            at("/activity"),
            json!({"activity_type": "task_update", "summary": "s"}),
            200,
        ),
        ("itself", get.clone(), at(""), json!(null), 200),
        ("a message of the command line", post.clone(), format!("/workspaces/{}/a2a", peer.id), message("hi"), 200),
        ("the instructions", get.clone(), at("/instructions/resolve"), json!(null), 200),
    ];
    let by_url = server.by_url(&base_of(&server, &own).await);
    let wrong = mismatches(&by_url, &calls).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Some name themselves in a header besides.
    let named = by_url.with_header("X-Workspace-ID", &own.id);
    server
        .bearer(&peer.token)
        .post("/registry/register", &json!({"id": peer.id, "agent_card": {"name": "P"}}))
        .await
        .expect(200);
    let found = named.get(&format!("/registry/discover/{}", peer.id)).await.expect(200);
    // It writes to what it found, without a bearer again.
    let url = found["url"].as_str().unwrap();
    Api::new(url, None).with_header("X-Workspace-ID", &own.id).post("", &message("named")).await.expect(200);
    let forged = by_url.with_header("X-Workspace-ID", &peer.id);
    forged.post(&format!("/workspaces/{}/a2a", peer.id), &message("forged")).await.expect(401);
    // What was sent is the workspace's own, and not the person's.
    let mail =
        server.bearer(&peer.token).get(&format!("/workspaces/{}/activity?type=a2a_receive", peer.id)).await.expect(200);
    assert!(mail.as_array().unwrap().iter().all(|row| row["source_id"] == own.id.as_str()), "{mail}");
    assert_eq!(mail.as_array().unwrap().len(), 2);

    // Without the base URL nothing of it is to be had; a card and a beat of a row with a token least of all.
    for call in calls.iter().filter(|call| call.0 != "itself") {
        let got = ask(&server.anonymous(), call).await;
        assert_eq!(got, 401, "{}: {} {}", call.0, call.1, call.2);
    }
}

#[tokio::test]
async fn s40_6_events_are_heard_by_base_url_alone() {
    let server = TestServer::start().await;
    let own = external(&server, "Own", json!({})).await;
    let base = base_of(&server, &own).await.replacen("http", "ws", 1);
    let mut request = format!("{base}/ws").into_client_request().unwrap();
    request.headers_mut().insert("x-workspace-id", own.id.parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    server
        .bearer(&own.token)
        .post("/registry/register", &json!({"id": own.id, "agent_card": {"name": "Own"}}))
        .await
        .expect(200);
    let heard = tokio::time::timeout(crate::support::SOON, async {
        loop {
            let frame = futures_util::StreamExt::next(&mut socket).await.unwrap().unwrap();
            let Ok(text) = frame.to_text() else { continue };
            let event: Value = serde_json::from_str(text).unwrap_or_default();
            if event["event"] == "WORKSPACE_ONLINE" {
                return event;
            }
        }
    });
    assert_eq!(heard.await.unwrap()["workspace_id"], own.id.as_str());
}

/// 40 §20: the management server and the command line send no credential at all.
#[tokio::test]
async fn s40_20_what_managing_clients_call_without_a_bearer_passes_by_the_persons_base_url() {
    let server = TestServer::start().await;
    let (code, said, complaint) = crate::support::server::output(&mut server.command(&["token", "--url"]));
    assert_eq!(code, Some(0), "{complaint}");
    let person = server.by_url(said.trim());
    person.get("/health").await.expect(200);
    let made = person
        .post("/workspaces", &json!({"name": "Made", "runtime": "external", "canvas": {"x": 1, "y": 2}}))
        .await
        .expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let other = external(&server, "Other", json!({})).await;
    let at = |rest: &str| format!("/workspaces/{id}{rest}");
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    let chat = json!({"method": "message/send", "params": {"message": {"role": "user", "parts": [{"type": "text", "text": "hi"}]}}});
    let calls: Vec<Call> = vec![
        ("list_workspaces", get.clone(), "/workspaces".into(), json!(null), 200),
        ("get_workspace", get.clone(), at(""), json!(null), 200),
        ("update_workspace", patch.clone(), at(""), json!({"role": "r"}), 200),
        ("restart_workspace", post.clone(), at("/restart"), json!({}), 200),
        ("chat_with_agent", post.clone(), at("/a2a"), chat, 200),
        ("async_delegate", post.clone(), at("/delegate"), json!({"target_id": other.id, "task": "t"}), 202),
        ("check_delegations", get.clone(), at("/delegations"), json!(null), 200),
        ("report_activity", post.clone(), at("/activity"), json!({"activity_type": "agent_log"}), 200),
        ("list_activity", get.clone(), at("/activity"), json!(null), 200),
        ("notify_user", post.clone(), at("/notify"), json!({"type": "info"}), 400),
        ("commit_memory", post.clone(), at("/memories"), json!({"content": "c", "scope": "LOCAL"}), 201),
        ("search_memory", get.clone(), at("/memories?q=c"), json!(null), 200),
        ("set_global_secret", put, "/settings/secrets".into(), json!({"key": "K", "value": "v"}), 200),
        ("list_global_secrets", get.clone(), "/settings/secrets".into(), json!(null), 200),
        ("delete_global_secret", delete.clone(), "/settings/secrets/K".into(), json!(null), 200),
        ("create_approval", post.clone(), at("/approvals"), json!({"action": "a"}), 201),
        ("list_pending_approvals", get.clone(), "/approvals/pending".into(), json!(null), 200),
        ("list_peers", get.clone(), format!("/registry/{id}/peers"), json!(null), 200),
        ("discover_workspace", get.clone(), format!("/registry/discover/{id}"), json!(null), 400),
        (
            "check_access",
            post.clone(),
            "/registry/check-access".into(),
            json!({"caller_id": id, "target_id": other.id}),
            200,
        ),
        ("list_events", get.clone(), "/events".into(), json!(null), 200),
        ("list_templates", get.clone(), "/templates".into(), json!(null), 200),
        ("list_org_templates", get.clone(), "/org/templates".into(), json!(null), 200),
        ("get_canvas_viewport", get.clone(), "/canvas/viewport".into(), json!(null), 200),
        ("delete_workspace", delete, at("?confirm=true"), json!(null), 200),
    ];
    let wrong = mismatches(&person, &calls).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for call in calls.iter().filter(|call| call.0 != "get_workspace") {
        let got = ask(&server.anonymous(), call).await;
        // 10 §7.2 looks for the header before the credential.
        let refused = got == 401 || (call.0 == "discover_workspace" && got == 400);
        assert!(refused, "{} without a base URL: {got}", call.0);
    }
}

/// 40 §21 row 7: the SDK's own registration sends no bearer, so a second one is refused, and the first of a row that
/// has none yet gets its token.
#[tokio::test]
async fn s40_21_row_7_a_second_registration_without_a_bearer_is_refused() {
    let server = TestServer::start().await;
    let id = uuid::Uuid::new_v4();
    let body = json!({"id": id, "url": "remote://no-inbound", "delivery_mode": "poll", "agent_card": {"name": "SDK"}});
    server.anonymous().post("/registry/register", &body).await.expect(401);
    server.admin().post("/app/accept-agents", &json!({"minutes": 10})).await.expect(200);
    let first = server.anonymous().post("/registry/register", &body).await.expect(200);
    server.anonymous().post("/registry/register", &body).await.expect(401);
    let again =
        server.bearer(first["auth_token"].as_str().unwrap()).post("/registry/register", &body).await.expect(200);
    assert!(again.get("auth_token").is_none(), "{again}");
}
