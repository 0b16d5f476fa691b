//! Base URLs that carry the credential: `/as/<capability>/…` is the same API as that caller.

use serde_json::{Value, json};

use crate::support::{Api, NOBODY, TestServer, raw::Ask, server::output};

struct Agent {
    id: String,
    /// A base URL that speaks as it.
    base: String,
    token_id: String,
}

async fn agent(server: &TestServer, name: &str) -> Agent {
    let admin = server.admin();
    let body = json!({"name": name, "external": true});
    let id = admin.post("/workspaces", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/workspaces/{id}/tokens");
    let made = admin.post(&path, &json!({"kind": "url"})).await.expect(201);
    let base = made["url"].as_str().unwrap().to_owned();
    let listed = admin.get(&path).await.expect(200);
    let rows = listed["tokens"].as_array().unwrap();
    let row = rows.iter().find(|row| row["kind"] == "url").unwrap();
    Agent { id, base, token_id: row["id"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn r32_a_base_url_is_its_workspace_and_nobody_else() {
    let server = TestServer::start().await;
    let (one, other) = (agent(&server, "One").await, agent(&server, "Other").await);
    assert!(one.base.starts_with(&format!("{}/as/", server.url())), "{}", one.base);
    let api = Api::new(&one.base, None);
    api.get(&format!("/workspaces/{}/activity", one.id)).await.expect(200);
    api.get(&format!("/workspaces/{}/activity", other.id)).await.expect(401);
    api.get("/workspaces").await.expect(401);
    api.get("/health").await.expect(200);
    api.get(&format!("/workspaces/{}/activity?limit=1&type=error", one.id)).await.expect(200);
}

#[tokio::test]
async fn r32_a_revoked_or_unknown_capability_is_refused_on_every_path() {
    let server = TestServer::start().await;
    let agent = agent(&server, "Revoked").await;
    let api = Api::new(&agent.base, None);
    api.get("/health").await.expect(200);
    let path = format!("/workspaces/{}/tokens/{}", agent.id, agent.token_id);
    server.admin().delete(&path).await.expect(200);
    let unknown = Api::new(format!("{}/as/{}", server.url(), "A".repeat(43)), None);
    for api in [&api, &unknown] {
        for path in ["/health", "/openapi.json", "/workspaces", "/", ""] {
            assert_eq!(api.get(path).await.expect(401)["code"], "capability_revoked", "{path}");
        }
    }
}

#[tokio::test]
async fn r32_a_capability_is_no_bearer_and_a_bearer_no_capability() {
    let server = TestServer::start().await;
    let agent = agent(&server, "Mixed").await;
    let capability = agent.base.rsplit('/').next().unwrap();
    let activity = format!("/workspaces/{}/activity", agent.id);
    server.bearer(capability).get(&activity).await.expect(401);
    let swapped = Api::new(format!("{}/as/{}", server.url(), server.admin_token()), None);
    swapped.get("/workspaces").await.expect(401);
}

#[tokio::test]
async fn r32_a_bearer_beside_it_must_be_valid_and_counts() {
    let server = TestServer::start().await;
    let (one, other) = (agent(&server, "One").await, agent(&server, "Other").await);
    let api = Api::new(&one.base, None);
    let activity = |agent: &Agent| format!("/workspaces/{}/activity", agent.id);
    api.with_bearer("guess").get(&activity(&one)).await.expect(401);
    let made = server.admin().post(&format!("/workspaces/{}/tokens", other.id), &json!({})).await;
    let theirs = made.expect(201)["auth_token"].as_str().unwrap().to_owned();
    api.with_bearer(&theirs).get(&activity(&other)).await.expect(200);
    api.with_bearer(&theirs).get(&activity(&one)).await.expect(401);
    api.with_bearer(server.admin_token()).get("/workspaces").await.expect(200);
}

#[tokio::test]
async fn r32_no_page_and_no_session_under_a_capability() {
    let server = TestServer::start().await;
    let agent = agent(&server, "Pages").await;
    let api = Api::new(&agent.base, None);
    for path in ["/", "", "/index.html", "/canvas", "/docs"] {
        let answer = api.get(path).await;
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        assert!(!kind.contains("html"), "{path:?}: {} {kind}", answer.status);
        assert!(!answer.text().contains("<html"), "{path:?}");
    }
    let launched = api.post("/launch", &json!({"ticket": server.ticket()})).await;
    assert_ne!(launched.status, 200, "launch tickets are never served under /as/");
    server.anonymous().post("/launch", &json!({"ticket": server.ticket()})).await.expect(200);
}

#[tokio::test]
async fn r32_a_browser_page_of_another_origin_is_refused_under_it() {
    let server = TestServer::start().await;
    let agent = agent(&server, "Browsed").await;
    let port = server.port();
    let prefix = agent.base.strip_prefix(&server.url()).unwrap();
    let target = format!("{prefix}/workspaces/{}/activity", agent.id);
    let ask = |line: &str| {
        let base = Ask::get(&target).line(format!("Host: 127.0.0.1:{port}"));
        let base = if line.is_empty() { base } else { base.line(line) };
        base.send(port).status
    };
    assert_eq!(ask(""), 200);
    assert_eq!(ask(&format!("Origin: {}", server.url())), 200, "our own origin");
    assert_eq!(ask(&format!("Origin: {}", agent.base)), 200, "our own base URL with its path");
    for line in [
        "Origin: http://evil.example",
        "Origin: http://127.0.0.1:3999",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(ask(line), 403, "{line}");
    }
    // A link on a page of somebody else leads a browser here with the capability in it.
    let navigated = Ask::get(&target)
        .line(format!("Host: 127.0.0.1:{port}"))
        .line("Sec-Fetch-Site: cross-site")
        .line("Sec-Fetch-Mode: navigate");
    assert_eq!(navigated.send(port).status, 403, "a navigation from another site");
}

#[tokio::test]
async fn r32_the_command_line_makes_one_and_no_log_shows_it() {
    let server = TestServer::start().await;
    let agent = agent(&server, "Logged").await;
    let (code, said, complaint) = output(&mut server.command(&["token", "--url"]));
    assert_eq!(code, Some(0), "{complaint}");
    let person = Api::new(said.trim(), None);
    person.get("/workspaces").await.expect(200);
    person.get(&format!("/no-such-route/{NOBODY}")).await.expect(404);
    Api::new(&agent.base, None).get("/workspaces").await.expect(401);
    let listed: Value = server.admin().get("/org/tokens").await.expect(200);
    let log = server.log();
    for base in [said.trim(), &agent.base] {
        let capability = base.rsplit('/').next().unwrap();
        assert!(!log.contains(capability), "a capability is in the log");
        assert!(!listed.to_string().contains(capability), "a capability is listed in full");
    }
}
