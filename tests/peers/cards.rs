//! The card that a client begins with, at the address that it knows (40 §9, §10.1).

use serde_json::{Value, json};

use crate::support::{Api, FakeAgent, NOBODY, TestServer, raw::Ask};

struct Row {
    id: String,
    token: String,
}

async fn external(server: &TestServer, body: Value) -> Row {
    let made = server.admin().post("/workspaces", &body).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Row { id: text(&made["id"]), token: text(&made["connection"]["auth_token"]) }
}

fn paths(id: &str) -> [String; 4] {
    ["a2a/", ""]
        .map(|under| {
            ["agent-card.json", "agent.json"].map(|name| format!("/workspaces/{id}/{under}.well-known/{name}"))
        })
        .concat()
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn r32_the_card_leads_back_the_way_the_caller_came() {
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let row =
        external(&server, json!({"name": "Shown", "role": "Says it", "runtime": "external", "delivery_mode": "push"}))
            .await;
    let mut card = FakeAgent::card("Its own name");
    card["protocolVersion"] = json!("0.3.0");
    card["url"] = json!(agent.url());
    let body = json!({"id": row.id, "url": agent.url(), "agent_card": card});
    server.bearer(&row.token).post("/registry/register", &body).await.expect(200);
    let made =
        server.admin().post(&format!("/workspaces/{}/tokens", row.id), &json!({"kind": "url"})).await.expect(201);
    let base = made["url"].as_str().unwrap();
    for (api, base) in [(Api::new(base, None), base), (server.admin(), server.url().as_str())] {
        for path in paths(&row.id) {
            let answer = api.get(&path).await;
            let card = answer.expect(200);
            assert_eq!(card["url"], format!("{base}/workspaces/{}/a2a", row.id), "{path}");
            assert_eq!((&card["name"], &card["skills"]), (&json!("Its own name"), &json!([])));
            assert!(!answer.text().contains(agent.url()), "its own address is not needed: {}", answer.text());
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
    // By the name that was used; no other name gets this far.
    let port = server.port();
    let asked = |host: &str| {
        let ask = Ask::get(&paths(&row.id)[0]).line(format!("Host: {host}"));
        ask.line(format!("Authorization: Bearer {}", server.admin_token())).send(port)
    };
    let by_name: Value = serde_json::from_slice(&asked(&format!("localhost:{port}")).body).unwrap();
    assert_eq!(by_name["url"], format!("http://localhost:{port}/workspaces/{}/a2a", row.id));
    assert_eq!(asked(&format!("evil.example:{port}")).status, 403);
}

#[tokio::test]
async fn r68_versions_in_the_card_are_those_that_the_way_to_the_agent_takes() {
    let server = TestServer::start().await;
    let listed = |card: &Value| -> Vec<String> {
        let all = card["supportedInterfaces"].as_array().unwrap().iter();
        all.map(|each| each["protocolVersion"].as_str().unwrap().to_owned()).collect()
    };
    for (declared, expected) in [
        (json!({"name": "silent"}), vec!["0.3"]),
        (json!({"name": "old", "protocolVersion": "0.3.0"}), vec!["1.0", "0.3"]),
        (json!({"name": "new", "supportedInterfaces": [{"url": "x", "protocolVersion": "1.0"}]}), vec!["1.0", "0.3"]),
    ] {
        let row = external(&server, json!({"name": "V", "runtime": "external"})).await;
        let body = json!({"id": row.id, "agent_card": declared});
        server.bearer(&row.token).post("/registry/register", &body).await.expect(200);
        let card = server.admin().get(&paths(&row.id)[0]).await.expect(200);
        assert_eq!(listed(&card), expected, "{declared}");
        assert_eq!(card["capabilities"]["streaming"], false, "one that polls streams nothing");
    }
}

#[tokio::test]
async fn s2_whoever_may_not_talk_to_a_workspace_does_not_see_its_card() {
    let server = TestServer::start().await;
    let root = external(&server, json!({"name": "Root", "runtime": "external"})).await;
    let sibling = external(&server, json!({"name": "Sibling", "runtime": "external"})).await;
    let child = external(&server, json!({"name": "Child", "runtime": "external", "parent_id": root.id})).await;
    let path = |row: &Row| paths(&row.id)[0].clone();
    server.bearer(&root.token).get(&path(&child)).await.expect(200);
    server.bearer(&root.token).get(&path(&root)).await.expect(200);
    server.bearer(&child.token).get(&path(&sibling)).await.expect(403);
    server.bearer(&child.token).get(&paths(NOBODY)[0]).await.expect(403);
    server.bearer("guess").get(&path(&root)).await.expect(401);
    server.anonymous().get(&path(&root)).await.expect(401);
    server.admin().get(&paths(NOBODY)[0]).await.expect(404);
    server.admin().get(&paths("no-id")[0]).await.expect(404);
    server.admin().get(&format!("/workspaces/{}/a2a/.well-known/secrets", root.id)).await.expect(404);
    server.admin().delete(&format!("/workspaces/{}?confirm=true", sibling.id)).await.expect(200);
    server.admin().get(&path(&sibling)).await.expect(404);
}
