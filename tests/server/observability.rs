//! What tells people and scripts how the server is: build, health, figures, the log of a start, and the reason of a
//! failure (S279–S283).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NOBODY, TestServer, eventually};

#[tokio::test]
async fn s279_the_build_says_its_commit_and_version() {
    let server = TestServer::start().await;
    let build = server.anonymous().get("/buildinfo").await.expect(200);
    assert_eq!(build["git_sha"], option_env!("GIT_SHA").unwrap_or("dev"));
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn s280_health_figures_and_build_need_no_credential_and_are_never_a_page() {
    let server = TestServer::start().await;
    for (path, kind) in
        [("/health", "application/json"), ("/metrics", "text/plain"), ("/buildinfo", "application/json")]
    {
        for caller in
            [server.anonymous(), server.bearer("guess"), server.anonymous().with_header("Accept", "text/html")]
        {
            let answer = caller.get(path).await;
            answer.expect(200);
            assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}: {:?}", answer.headers);
            assert!(!answer.text().contains("<html"), "{path}");
        }
    }
    assert_eq!(server.anonymous().get("/health").await.expect(200)["status"], "ok");
    let figures = server.anonymous().get("/metrics").await.text();
    assert!(figures.lines().any(|line| line.starts_with("# TYPE")), "{figures}");
}

/// S281, 10 §1: text that no script takes for a page or for an answer.
#[tokio::test]
async fn s281_an_unknown_api_path_is_a_404_and_no_page() {
    let server = TestServer::start().await;
    let browser = server.admin().with_header("Accept", "text/html,*/*");
    let prefixes = [
        "workspaces",
        "registry",
        "health",
        "admin",
        "metrics",
        "settings",
        "bundles",
        "org",
        "orgs",
        "templates",
        "plugins",
        "webhooks",
        "channels",
        "ws",
        "events",
        "approvals",
    ];
    for prefix in prefixes {
        let path = format!("/{prefix}/{NOBODY}/no/such/route");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = browser.send(browser.request(method.clone(), &path)).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
            assert_eq!(answer.text(), "404 page not found", "{method} {path}");
            assert!(answer.header("content-type").unwrap().starts_with("text/plain"), "{method} {path}");
        }
    }
    // A method that a known path does not have is unknown too.
    for (method, path) in [(Method::DELETE, "/health"), (Method::PATCH, "/registry/register"), (Method::PUT, "/events")]
    {
        let answer = browser.send(browser.request(method.clone(), path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, "404 page not found"), "{method} {path}");
    }
}

/// S282: a start says what it found and which limits hold, and no secret.
#[tokio::test]
async fn s282_the_log_of_a_start_says_the_settings_that_hold() {
    let builder = TestServer::builder().env("A2A_IDLE_TIMEOUT_SECONDS", "77").env("ADMIN_TOKEN", "canary-admin-token");
    let server = builder.env("RATE_LIMIT", "12345").env("MOLECULE_ALLOW_LAN", "1").start().await;
    let log = eventually("the settings in the log", || async {
        let log = server.log();
        let line = log.lines().find(|line| line.contains("settings") && line.contains("a2a_idle_seconds"));
        line.map(str::to_owned).ok_or(log.clone())
    })
    .await;
    for part in
        ["a2a_idle_seconds=77", "external_stale_seconds=90", "rate_limit=12345", "allow_lan=true", "development=false"]
    {
        assert!(plain(&log).contains(part), "{part} is not in {log}");
    }
    assert!(!server.log().contains("canary-admin-token"));
    assert!(!server.log().contains(server.admin_token()));
}

/// The line without what colours it.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    text + rest
}

/// S283: the reason of a failure is a text everywhere, and there is one where something failed.
#[tokio::test]
async fn s283_the_last_error_is_a_text_and_never_blank_where_something_failed() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let well = admin.post("/workspaces", &json!({"name": "Well", "external": true})).await.expect(201);
    // There is no engine for its runtime here.
    let ill = admin.post("/workspaces", &json!({"name": "Ill", "runtime": "claude-code"})).await.expect(201);
    let path = format!("/workspaces/{}", ill["id"].as_str().unwrap());
    let failed = eventually("the failure", || async {
        let row = admin.get(&path).await.expect(200);
        if row["status"] == "failed" { Ok(row) } else { Err(row.to_string()) }
    })
    .await;
    let reason = failed["last_sample_error"].as_str();
    assert!(reason.is_some_and(|text| !text.trim().is_empty()), "{failed}");
    let listed = admin.get("/workspaces").await.expect(200);
    for row in listed.as_array().unwrap() {
        assert!(row["last_sample_error"].is_string(), "{row}");
    }
    let shown = admin.get(&format!("/workspaces/{}", well["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["last_sample_error"], "", "{shown}");
    // What an agent says of itself comes back as it said it.
    let id = well["id"].as_str().unwrap();
    let made = admin.post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    let agent = server.bearer(made["auth_token"].as_str().unwrap());
    let text = "API \"rate\" limit\n{\"code\": 429}";
    let beat = json!({"workspace_id": id, "error_rate": 0.9, "sample_error": text});
    // The first beat brings it online, the second one says how it is there.
    for _ in 0..2 {
        agent.post("/registry/heartbeat", &beat).await.expect(200);
    }
    let shown: Value = admin.get(&format!("/workspaces/{id}")).await.expect(200);
    assert_eq!((&shown["last_sample_error"], &shown["status"]), (&json!(text), &json!("degraded")), "{shown}");
}
