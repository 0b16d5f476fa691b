//! What lies in the binary: the canvas, `/openapi.json`, `/docs`; and the headers on every answer.

use serde_json::Value;

use crate::support::TestServer;

#[tokio::test]
async fn the_docs_page_needs_no_network() {
    let server = TestServer::start().await;
    let page = server.anonymous().get("/docs").await;
    page.expect(200);
    let html = page.text();
    let sources: Vec<&str> = html.split("src=\"").skip(1).filter_map(|s| s.split('"').next()).collect();
    assert!(!sources.is_empty(), "the page has scripts: {html}");
    for source in sources {
        assert!(source.starts_with('/'), "{source} would be fetched from elsewhere");
        let script = server.anonymous().get(source).await;
        script.expect(200);
        let kind = script.header("content-type").unwrap_or_default();
        assert!(kind.contains("javascript"), "{source}: {kind}");
        assert!(!script.body.is_empty(), "{source}");
    }
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{policy}");
}

#[tokio::test]
async fn the_document_describes_every_operation() {
    let server = TestServer::start().await;
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with('3')));
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let said = operation["summary"].as_str().or_else(|| operation["description"].as_str());
            assert!(said.is_some_and(|text| !text.is_empty()), "{method} {path} says nothing");
            assert!(operation["responses"].is_object(), "{method} {path} has no answers");
        }
    }
}

#[tokio::test]
async fn contract_10_1_security_headers_stand_on_every_answer() {
    let server = TestServer::start().await;
    for (path, status) in [("/health", 200), ("/workspaces", 401), ("/no/such/page", 404), ("/docs", 200)] {
        let answer = server.anonymous().get(path).await;
        answer.expect(status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(answer.header("content-security-policy").is_some(), "{path}");
        assert!(answer.header("set-cookie").is_none(), "{path}: R-4, no cookies at all");
    }
}

#[tokio::test]
async fn contract_10_1_unknown_paths_and_trailing_slashes() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let unknown = admin.get("/workspaces-of-nobody").await;
    unknown.expect(404);
    assert_eq!(unknown.text(), "404 page not found");
    let slash = admin.get("/workspaces/?limit=1").await;
    slash.expect(301);
    assert_eq!(slash.header("location"), Some("/workspaces?limit=1"));
}

/// callers without a credential share one bucket; valid ones are not limited.
#[tokio::test]
async fn r33_the_limit_is_for_callers_without_a_credential() {
    let server = TestServer::start().await;
    let admin = server.admin().get("/health").await;
    assert_eq!(admin.header("x-ratelimit-limit"), Some("unlimited"));
    let anonymous = server.anonymous();
    let limit = anonymous.get("/health").await;
    assert_eq!(limit.header("x-ratelimit-limit"), Some("600"));
    let mut refused = None;
    for _ in 0..700 {
        let answer = anonymous.get("/buildinfo").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("700 requests without a credential all passed");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.error(), "rate limit exceeded");
    server.admin().get("/workspaces").await.expect(200);
}

#[tokio::test]
async fn r33_a_limit_set_by_hand_binds_everybody() {
    let server = TestServer::builder().env("RATE_LIMIT", "5").start().await;
    let admin = server.admin();
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(admin.get("/buildinfo").await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}
