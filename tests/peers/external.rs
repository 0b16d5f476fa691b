//! What the platform says to somebody who brings an agent, and does for it (10 §17.5, 20 §1.2).

use serde_json::{Value, json};

use crate::support::{Api, FakeAgent, TestServer, eventually};

/// A workspace for an agent of the person's own, with what its create answer said.
pub struct External {
    pub id: String,
    pub token: String,
    pub connection: Value,
}

pub async fn external(server: &TestServer, name: &str, more: Value) -> External {
    let mut body = json!({"name": name, "runtime": "external"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let made = server.admin().post("/workspaces", &body).await.expect(201);
    let connection = made["connection"].clone();
    External {
        id: made["id"].as_str().unwrap().to_owned(),
        token: connection["auth_token"].as_str().unwrap_or_default().to_owned(),
        connection,
    }
}

impl External {
    /// A snippet as the connect dialog shows it: the token stands where the placeholder was.
    pub fn snippet(&self, key: &str) -> String {
        let text = self.connection[key].as_str().unwrap();
        assert_eq!(text.matches("<paste").count(), 1, "{text}");
        text.replace("<paste from create response>", &self.token)
            .replace("<paste auth_token from create response>", &self.token)
    }

    pub async fn row(&self, server: &TestServer) -> Value {
        server.admin().get(&format!("/workspaces/{}", self.id)).await.expect(200)
    }

    pub async fn becomes(&self, server: &TestServer, status: &str) {
        eventually(status, || async {
            let row = self.row(server).await;
            if row["status"] == status { Ok(()) } else { Err(row["status"].to_string()) }
        })
        .await;
    }

    /// A message of the person's, and the answer.
    pub async fn says(&self, server: &TestServer, words: &str) -> Value {
        self.sent_by(&server.admin(), words).await
    }

    pub async fn sent_by(&self, api: &Api, words: &str) -> Value {
        let body = json!({"method": "message/send", "params": {"message": {
            "role": "user", "messageId": uuid::Uuid::new_v4(), "parts": [{"kind": "text", "text": words}]}}});
        api.post(&format!("/workspaces/{}/a2a", self.id), &body).await.expect(200)
    }

    /// What its agent told the person, oldest first.
    pub async fn told(&self, server: &TestServer) -> Vec<String> {
        let path = format!("/workspaces/{}/activity?type=a2a_receive&limit=500", self.id);
        let rows = server.admin().get(&path).await.expect(200);
        let own = rows.as_array().unwrap().iter().rev().filter(|row| row["method"] == "notify");
        own.map(|row| row["response_body"]["result"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until its agent has told the person exactly this, in this order.
    pub async fn has_told(&self, server: &TestServer, expected: &[&str]) {
        eventually("what it told", || async {
            let told = self.told(server).await;
            if told == expected { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn s188_a_row_without_an_address_waits_and_says_once_how_to_connect() {
    let server = TestServer::start().await;
    let agent = external(&server, "Mine", json!({})).await;
    let keys: Vec<&String> = agent.connection.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "workspace_id",
            "platform_url",
            "auth_token",
            "registry_endpoint",
            "heartbeat_endpoint",
            "curl_register_template",
            "python_snippet",
            "claude_code_channel_snippet",
            "universal_mcp_snippet",
            "a2a_sdk_snippet",
        ]
    );
    let url = server.url();
    assert_eq!(agent.connection["workspace_id"], agent.id.as_str());
    assert_eq!(agent.connection["registry_endpoint"], format!("{url}/registry/register"));
    assert_eq!(agent.connection["heartbeat_endpoint"], format!("{url}/registry/heartbeat"));
    let row = agent.row(&server).await;
    assert_eq!((&row["status"], &row["runtime"]), (&json!("awaiting_agent"), &json!("external")));
    // The token works, and is shown nowhere again.
    server.bearer(&agent.token).get(&format!("/workspaces/{}/activity", agent.id)).await.expect(200);
    assert!(!row.to_string().contains(&agent.token) && !server.log().contains(&agent.token));
}

#[tokio::test]
async fn s193_a_lost_token_is_made_anew_and_the_snippets_are_read_again() {
    let server = TestServer::start().await;
    let agent = external(&server, "Mine", json!({})).await;
    let mut again = server.admin().get(&format!("/workspaces/{}/connection", agent.id)).await.expect(200);
    assert_eq!(again["auth_token"], "");
    again["auth_token"] = agent.connection["auth_token"].clone();
    assert_eq!(again, agent.connection);
    server.bearer(&agent.token).get(&format!("/workspaces/{}/connection", agent.id)).await.expect(401);
    server.admin().get(&format!("/workspaces/{}/connection", crate::support::NOBODY)).await.expect(404);
    let ours = server.admin().post("/workspaces", &json!({"name": "Ours", "runtime": "local"})).await.expect(201);
    let path = format!("/workspaces/{}/connection", ours["id"].as_str().unwrap());
    server.admin().get(&path).await.expect(409);
}

#[tokio::test]
async fn s189_r29_the_address_in_snippets_is_ours_whatever_a_request_says() {
    let server = TestServer::start().await;
    let forged =
        server.admin().with_header("x-forwarded-host", "evil.example").with_header("x-forwarded-proto", "https");
    let made = forged.post("/workspaces", &json!({"name": "F", "runtime": "external"})).await.expect(201);
    assert_eq!(made["connection"]["platform_url"], server.url());
    assert!(!made.to_string().contains("evil.example"));
    let outside = TestServer::builder().env("EXTERNAL_PLATFORM_URL", "https://mine.example/").start().await;
    let connection = external(&outside, "O", json!({})).await.connection;
    assert_eq!(connection["platform_url"], "https://mine.example");
    assert_eq!(connection["registry_endpoint"], "https://mine.example/registry/register");
    assert!(!connection.to_string().contains("127.0.0.1:8080"), "{connection}");
}

#[tokio::test]
async fn s190_one_with_an_address_is_online_at_once_and_gets_its_token_when_it_registers() {
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let body = json!({"name": "There", "external": true, "url": agent.url()});
    let made = server.admin().post("/workspaces", &body).await.expect(201);
    assert_eq!(made, json!({"id": made["id"], "external": true, "status": "online"}));
    let id = made["id"].as_str().unwrap();
    let body = json!({"id": id, "url": agent.url(), "agent_card": FakeAgent::card("There")});
    let registered = server.anonymous().post("/registry/register", &body).await.expect(200);
    assert!(registered["auth_token"].as_str().is_some_and(|token| !token.is_empty()), "{registered}");
    server.anonymous().post("/registry/register", &body).await.expect(401);
}

#[tokio::test]
async fn s191_a_delivery_mode_is_checked_before_anything_is_made() {
    let server = TestServer::start().await;
    for odd in [json!("pull"), json!("PUSH"), json!(7)] {
        let body = json!({"name": "Odd", "runtime": "external", "delivery_mode": odd});
        let refused = server.admin().post("/workspaces", &body).await;
        assert_eq!(refused.status, 400, "{odd}: {}", refused.text());
    }
    assert_eq!(server.admin().get("/workspaces").await.expect(200), json!([]));
    // Without an address nobody can be pushed to, so such a row polls unless it is told otherwise (20 §1.2).
    for (more, mode) in
        [(json!({}), "poll"), (json!({"delivery_mode": "poll"}), "poll"), (json!({"delivery_mode": "push"}), "push")]
    {
        assert_eq!(external(&server, "M", more).await.row(&server).await["delivery_mode"], mode);
    }
}

#[tokio::test]
async fn s192_a_restart_is_not_ours_to_do_and_takes_nothing_away() {
    let server = TestServer::start().await;
    let agent = external(&server, "Mine", json!({})).await;
    let api = server.bearer(&agent.token);
    api.post("/registry/register", &json!({"id": agent.id, "agent_card": {"name": "Mine"}})).await.expect(200);
    let answer = server.admin().post(&format!("/workspaces/{}/restart", agent.id), &json!({})).await;
    assert!(answer.expect(200)["message"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text());
    assert_eq!(agent.row(&server).await["status"], "online");
    api.post("/registry/heartbeat", &json!({"workspace_id": agent.id})).await.expect(200);
}

#[tokio::test]
async fn s203_a_deleted_workspace_says_so_in_words_that_a_client_can_show() {
    let server = TestServer::start().await;
    let agent = external(&server, "Gone", json!({})).await;
    let api = server.bearer(&agent.token);
    server.admin().delete(&format!("/workspaces/{}?confirm=true", agent.id)).await.expect(200);
    let gone = api.get(&format!("/workspaces/{}", agent.id)).await.expect(410);
    assert_eq!(gone["id"], agent.id.as_str());
    assert!(gone["removed_at"].is_string() && gone["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{gone}");
    let kept = api.get(&format!("/workspaces/{}?include_removed=true", agent.id)).await.expect(200);
    assert_eq!(kept["status"], "removed");
    // The loops of clients end on one of these, never on a 200 (40 §12).
    let state = api.get(&format!("/workspaces/{}/state", agent.id)).await.expect(404);
    assert_eq!((&state["status"], &state["deleted"]), (&json!("removed"), &json!(true)));
    let anonymous = server.anonymous().get(&format!("/workspaces/{}/state", agent.id)).await;
    anonymous.expect(401);
    api.post("/registry/heartbeat", &json!({"workspace_id": agent.id})).await.expect(401);
}
