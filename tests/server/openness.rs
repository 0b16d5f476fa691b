//! What is open to whom besides the matrix: the doors that a state of the workspace or
//! of the server opens and shuts.

use serde_json::json;

use crate::support::{FakeAgent, TestServer};

async fn workspace(server: &TestServer) -> (String, String) {
    let admin = server.admin();
    let row = admin.post("/workspaces", &json!({"name": "Asked", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap().to_owned();
    let token = admin.post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    (id, token["auth_token"].as_str().unwrap().to_owned())
}

/// the stripped object for whoever asks, the whole one for the person and the agent itself.
#[tokio::test]
async fn r41_r72_a_workspace_shows_a_stranger_only_its_outside() {
    let server = TestServer::start().await;
    let (id, own) = workspace(&server).await;
    let (_, strangers) = workspace(&server).await;
    let path = format!("/workspaces/{id}");
    let hidden = ["budget_limit", "monthly_spend", "current_task", "last_sample_error", "workspace_dir"];
    for caller in [server.anonymous(), server.bearer("guess"), server.bearer(&strangers)] {
        let shown = caller.get(&path).await.expect(200);
        let leaked: Vec<&&str> = hidden.iter().filter(|key| shown.get(**key).is_some()).collect();
        assert!(leaked.is_empty(), "{leaked:?} in {shown}");
    }
    for caller in [server.bearer(&own), server.admin(), server.canvas().await] {
        let shown = caller.get(&path).await.expect(200);
        assert!(hidden.iter().all(|key| shown.get(*key).is_some()), "{shown}");
    }
}

/// register, heartbeat and update-card work without a credential for an existing row that has no
/// live token, and stop doing so once it has one.
#[tokio::test]
async fn r35_an_existing_row_without_a_live_token_may_register_itself() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = FakeAgent::start().await;
    let row = admin.post("/workspaces", &json!({"name": "Bare", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap().to_owned();
    let tokens = admin.get(&format!("/workspaces/{id}/tokens")).await.expect(200);
    let beat = json!({"workspace_id": id});
    let card = json!({"id": id, "url": agent.url(), "delivery_mode": "push", "agent_card": FakeAgent::card("Bare")});
    server.anonymous().post("/registry/register", &card).await.expect(401);
    server.anonymous().post("/registry/heartbeat", &beat).await.expect(401);
    for token in tokens["tokens"].as_array().unwrap() {
        let path = format!("/workspaces/{id}/tokens/{}", token["id"].as_str().unwrap());
        admin.delete(&path).await.expect(200);
    }
    server.anonymous().post("/registry/heartbeat", &beat).await.expect(200);
    let registered = server.anonymous().post("/registry/register", &card).await.expect(200);
    let token = registered["auth_token"].as_str().unwrap();
    server.anonymous().post("/registry/register", &card).await.expect(401);
    server.bearer("guess").post("/registry/heartbeat", &beat).await.expect(401);
    server.bearer(token).post("/registry/heartbeat", &beat).await.expect(200);
    let update = json!({"workspace_id": id, "agent_card": {}});
    server.anonymous().post("/registry/update-card", &update).await.expect(401);
    server.bearer(token).post("/registry/update-card", &update).await.expect(200);
}

/// an unknown id needs a credential, unless the person let new agents in for some minutes.
#[tokio::test]
async fn r35_an_unknown_id_registers_only_while_the_person_lets_new_agents_in() {
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let ask =
        |id: &str| json!({"id": id, "url": agent.url(), "delivery_mode": "push", "agent_card": FakeAgent::card("New")});
    let fresh = || uuid::Uuid::new_v4().to_string();
    let refused = server.anonymous().post("/registry/register", &ask(&fresh())).await;
    refused.expect(401);
    assert!(
        refused.error().contains("Accept new local agents"),
        "it says what the person can switch on: {}",
        refused.error()
    );
    assert_eq!(server.admin().get("/workspaces").await.expect(200), json!([]), "no row was made");

    server.admin().post("/app/accept-agents", &json!({"minutes": 10})).await.expect(200);
    let id = fresh();
    let taken = server.anonymous().post("/registry/register", &ask(&id)).await.expect(200);
    assert!(taken["auth_token"].is_string());
    let state = server.state().await;
    assert!(state["accepting_agents_until"].is_string(), "{state}");
    server.anonymous().post("/registry/register", &ask(&id)).await.expect(401);

    server.admin().post("/app/accept-agents", &json!({"minutes": 0})).await.expect(200);
    server.anonymous().post("/registry/register", &ask(&fresh())).await.expect(401);
    server.admin().post("/registry/register", &ask(&fresh())).await.expect(200);
}

/// 10 §2.2: a removed workspace's tokens are worth nothing.
#[tokio::test]
async fn s094_a_removed_workspace_has_no_credential() {
    let server = TestServer::start().await;
    let (id, own) = workspace(&server).await;
    let own = server.bearer(&own);
    own.get(&format!("/workspaces/{id}/activity")).await.expect(200);
    server.admin().delete(&format!("/workspaces/{id}?confirm=true")).await.expect(200);
    own.get(&format!("/workspaces/{id}/activity")).await.expect(401);
    own.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(401);
    let gone = server.anonymous().get(&format!("/workspaces/{id}")).await;
    assert_eq!(gone.expect(410)["id"], id.as_str());
}

#[tokio::test]
async fn r3_in_development_the_contract_s_own_doors_are_open() {
    let server = TestServer::development().await;
    let anonymous = server.anonymous();
    anonymous.get("/workspaces").await.expect(200);
    let row = anonymous.post("/workspaces", &json!({"name": "Free", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap();
    anonymous.get(&format!("/workspaces/{id}/activity")).await.expect(200);
    anonymous.get("/canvas/viewport").await.expect(200);
    server.bearer("guess").get(&format!("/workspaces/{id}/activity")).await.expect(401);
    // ADMIN_TOKEN closes it again (10 §2.5).
    let closed = TestServer::builder().env("MOLECULE_ENV", "development").env("ADMIN_TOKEN", "mine").start().await;
    closed.anonymous().get("/workspaces").await.expect(401);
}

#[tokio::test]
async fn s073_a_refused_viewport_is_not_written() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let mine = json!({"x": 12.5, "y": -3.0, "zoom": 0.75});
    admin.put("/canvas/viewport", &mine).await.expect(200);
    let other = json!({"x": 999.0, "y": 999.0, "zoom": 2.0});
    for stranger in [server.anonymous(), server.bearer("guess")] {
        let refused = stranger.put("/canvas/viewport", &other).await;
        // One answer, and nothing of the handler's behind it.
        let body = refused.expect(401);
        assert!(body["error"].is_string() && body.get("x").is_none(), "{body}");
    }
    let kept = admin.get("/canvas/viewport").await.expect(200);
    assert_eq!((&kept["x"], &kept["y"], &kept["zoom"]), (&mine["x"], &mine["y"], &mine["zoom"]));
}
