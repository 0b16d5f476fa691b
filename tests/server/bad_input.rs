//! What people and programs get wrong: each a clear error, nothing lost, the server still up.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, FakeAgent, NOBODY, TestServer, eventually};

async fn external(server: &TestServer, name: &str) -> String {
    let row = server.admin().post("/workspaces", &json!({"name": name, "external": true})).await.expect(201);
    row["id"].as_str().unwrap().to_owned()
}

/// An external workspace whose agent is `agent`.
async fn answered_by(server: &TestServer, agent: &FakeAgent) -> String {
    let body = json!({"name": "Answered", "external": true, "url": agent.url(), "delivery_mode": "push"});
    let row = server.admin().post("/workspaces", &body).await.expect(201);
    row["id"].as_str().unwrap().to_owned()
}

async fn still_up(server: &TestServer) {
    server.anonymous().get("/health").await.expect(200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn bad_input_a_template_outside_the_roots_and_an_unknown_org_are_refused_before_a_row_is_made() {
    let server = TestServer::start().await;
    let admin = server.admin();
    for template in ["../../etc", "/etc", "a/../../b", "."] {
        let answer = admin.post("/workspaces", &json!({"name": "Lost", "template": template})).await;
        answer.expect(400);
        assert_eq!(answer.error(), "invalid template", "{template}");
    }
    let unknown = admin.post("/org/import", &json!({"dir": "no-such-org"})).await;
    unknown.expect(404);
    assert_eq!(unknown.error(), "org template not found: no-such-org");
    for dir in ["../orgs", "/etc", "..", "."] {
        let answer = admin.post("/org/import", &json!({"dir": dir})).await;
        answer.expect(400);
        assert_eq!(answer.error(), "invalid org directory", "{dir}");
    }
    assert_eq!(admin.post("/org/import", &json!({})).await.error(), "provide 'dir' or 'template'");
    assert_eq!(admin.get("/workspaces").await.expect(200), json!([]), "no row was made");
    still_up(&server).await;
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn bad_input_broken_yaml_is_told_with_file_line_and_reason_and_the_rest_is_listed() {
    let builder = TestServer::builder();
    let templates = builder.data().join("templates");
    write(&templates.join("workspaces/good/config.yaml"), "name: Good one\nruntime: local\n");
    write(&templates.join("workspaces/broken/config.yaml"), "name: Broken\nruntime: local\nmodel: [unclosed\n");
    write(&templates.join("orgs/crooked/org.yaml"), "name: Crooked\nworkspaces:\n  - name: A\n   role: misplaced\n");
    let server = builder.start().await;
    let admin = server.admin();
    let listed = admin.get("/templates").await.expect(200);
    let ids: Vec<&str> = listed.as_array().unwrap().iter().filter_map(|row| row["id"].as_str()).collect();
    assert!(ids.contains(&"good") && !ids.contains(&"broken"), "{ids:?}");

    let problems = admin.get("/templates/problems").await.expect(200);
    let problems = problems["broken"].as_array().unwrap().clone();
    for (id, file, line) in [("broken", "config.yaml", 3), ("crooked", "org.yaml", 4)] {
        let told = problems.iter().find(|row| row["id"] == id && row["file"] == file);
        let told = told.unwrap_or_else(|| panic!("{file} is not in {problems:?}"));
        let at = told["line"].as_i64().unwrap();
        assert!((at - line).abs() <= 1, "{file}: line {at}, not {line}: {told}");
        assert!(told["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{told}");
    }
    let refused = admin.post("/org/import", &json!({"dir": "crooked"})).await;
    refused.expect(400);
    still_up(&server).await;
}

/// R-45: an id that is there twice is one template, the person's own.
#[tokio::test]
async fn bad_input_r45_a_template_id_that_is_there_twice_is_the_persons_own() {
    let builder = TestServer::builder();
    let templates = builder.data().join("templates");
    write(&templates.join("workspaces/claude-code-default/config.yaml"), "name: Mine\nruntime: local\n");
    write(&templates.join("orgs/product-team/org.yaml"), "name: My team\nworkspaces:\n  - name: Only me\n");
    let server = builder.start().await;
    let listed = server.admin().get("/templates").await.expect(200);
    let twice = listed.as_array().unwrap().iter().filter(|row| row["id"] == "claude-code-default");
    assert_eq!(twice.map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ["Mine"]);
    let listed = server.admin().get("/org/templates").await.expect(200);
    let twice = listed.as_array().unwrap().iter().filter(|row| row["dir"] == "product-team");
    assert_eq!(twice.map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ["My team"]);
}

/// R-28: what is mended is seen within a second or so, without a restart.
#[tokio::test]
async fn bad_input_a_mended_template_is_listed_without_a_restart() {
    let builder = TestServer::builder();
    let path = builder.data().join("templates/workspaces/mended/config.yaml");
    write(&path, "name: [\n");
    let server = builder.start().await;
    let mut events = server.events(None).await;
    write(&path, "name: Mended\nruntime: local\n");
    events.until("TEMPLATES_CHANGED", |event| event["event"] == "TEMPLATES_CHANGED").await;
    let admin = server.admin();
    eventually("the mended template", || async {
        let listed = admin.get("/templates").await.expect(200);
        let there = listed.as_array().unwrap().iter().any(|row| row["id"] == "mended");
        if there { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
}

/// Every route that takes a body, with bodies that are none.
#[tokio::test]
async fn bad_input_no_body_makes_a_5xx() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let deep = "[".repeat(100_000);
    let bodies: [(&str, Vec<u8>); 11] = [
        ("nothing", Vec::new()),
        ("blanks", b" \n ".to_vec()),
        ("a cut object", b"{\"name\": \"x\"".to_vec()),
        ("no JSON", b"name=x&tier=2".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"1e400".to_vec()),
        ("a list", b"[1, 2]".to_vec()),
        ("wrong types", br#"{"name": 1, "tier": "x", "key": [], "value": {}, "minutes": "x", "scope": 7}"#.to_vec()),
        ("not UTF-8", b"{\"name\": \"\xff\xfe\"}".to_vec()),
        ("a lone surrogate", br#"{"name": "\ud800"}"#.to_vec()),
        ("a hundred thousand brackets", deep.into_bytes()),
    ];
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    let id = external(&server, "Poked").await;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch"] {
            if item.get(method).is_none() {
                continue;
            }
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
            let target = path.replace("{id}", &id);
            let target = blank(&target);
            for (what, body) in &bodies {
                let request = admin.request(method.clone(), &target).header("content-type", "application/json");
                let answer = admin.send(request.body(body.clone())).await;
                assert!(answer.status < 500, "{method} {path} with {what}: {} {}", answer.status, answer.text());
                if answer.status >= 400 {
                    // A JSON-RPC refusal has its text one level deeper.
                    let said = !answer.error().is_empty() || answer.json()["error"]["message"].is_string();
                    assert!(said, "{method} {path} with {what} says nothing: {}", answer.text());
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
    still_up(&server).await;
}

/// What is left of a path's parameters names nothing.
fn blank(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { NOBODY } else { part }).collect::<Vec<_>>().join("/")
}

/// Every route that names something, with names that cannot be.
#[tokio::test]
async fn bad_input_no_id_makes_a_5xx() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let names =
        [NOBODY, "not-a-uuid", "..", "%2e%2e%2f", "%00", "%ff", "'; DROP TABLE workspaces; --", &"x".repeat(4_000)];
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains('{')) {
        for method in item.as_object().unwrap().keys() {
            let Ok(method) = Method::from_bytes(method.to_ascii_uppercase().as_bytes()) else { continue };
            for name in names {
                let name = if name.contains('%') || name == ".." { name.to_owned() } else { encoded(name) };
                let parts = path.split('/').map(|part| if part.starts_with('{') { name.as_str() } else { part });
                let target = parts.collect::<Vec<_>>().join("/");
                let request = admin.request(method.clone(), &target);
                let request = if method == Method::GET { request } else { request.json(&json!({})) };
                let answer = admin.try_head(request).await.unwrap();
                assert!(answer.status < 500, "{method} {target}: {} {}", answer.status, answer.text());
            }
        }
    }
    let rows = admin.get("/workspaces").await.expect(200);
    assert_eq!(rows, json!([]));
    still_up(&server).await;
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn bad_input_r46_a_body_over_the_limit_is_413_with_a_reason() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = FakeAgent::start().await;
    let id = answered_by(&server, &agent).await;
    let filled = |size: usize| format!(r#"{{"name": "x", "role": "{}"}}"#, "r".repeat(size));
    let large = admin.post_bytes("/workspaces", filled(9 * 1024 * 1024)).await;
    large.expect(413);
    assert!(!large.error().is_empty(), "{}", large.text());

    let message = |size: usize| {
        json!({"method": "message/send", "params": {"message":
            {"role": "user", "messageId": "big", "parts": [{"kind": "text", "text": "x".repeat(size)}]}}})
    };
    let path = format!("/workspaces/{id}/a2a");
    let large = admin.post(&path, &message(1024 * 1024 + 1)).await;
    large.expect(413);
    assert!(!large.error().is_empty(), "{}", large.text());
    assert!(agent.seen().is_empty(), "nothing of it was delivered");
    admin.post(&path, &message(900 * 1024)).await.expect(200);
    assert_eq!(agent.seen().len(), 1);
    still_up(&server).await;
}

/// S128, S129, 10 §9.3: the corpus of the A2A crate, through the whole server.
#[tokio::test]
async fn bad_input_s129_the_a2a_corpus_over_http() {
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let path = format!("/workspaces/{}/a2a", answered_by(&server, &agent).await);
    let admin = server.admin();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src-tauri/crates/a2a/testdata/corpus");
    let (mut taken, mut refused) = (0, 0);
    for (kind, file, entry) in entries(&corpus) {
        let body = body_of(&entry);
        let before = agent.seen().len();
        let answer = admin.post_bytes(&path, body).await;
        if kind == "valid" {
            taken += 1;
            assert_eq!(answer.status, 200, "{file}: {}", answer.text());
            let seen = agent.seen();
            assert_eq!(seen.len(), before + 1, "{file} was delivered once");
            let sent = &seen.last().unwrap().body;
            assert_eq!(sent["jsonrpc"], "2.0", "{file}: {sent}");
            if let Some(message) = sent["params"]["message"].as_object() {
                assert!(message.contains_key("messageId"), "{file}: {sent}");
                assert!(!message.contains_key("content") || message.contains_key("parts"), "{file}: {sent}");
            }
        } else {
            refused += 1;
            let status = entry["_expect_status"].as_u64().unwrap();
            assert_eq!(u64::from(answer.status), status, "{file}: {}", answer.text());
            let expected = entry["_expect_error"].as_str().unwrap();
            assert!(answer.error().contains(expected), "{file}: {} does not say {expected:?}", answer.text());
            assert_eq!(agent.seen().len(), before, "{file}: nothing is dispatched");
        }
    }
    assert!(taken >= 40 && refused >= 60, "the corpus has {taken} shapes that pass and {refused} that do not");
    still_up(&server).await;
}

/// The body of a shape: what its members are, or the text or bytes that it gives.
fn body_of(entry: &Value) -> Vec<u8> {
    if let Some(text) = entry["_body"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(hex) = entry["_body_hex"].as_str() {
        return (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    }
    let members = entry.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with('_'));
    let body: serde_json::Map<String, Value> = members.map(|(key, value)| (key.clone(), value.clone())).collect();
    Value::Object(body).to_string().into_bytes()
}

fn entries(corpus: &Path) -> Vec<(&'static str, String, Value)> {
    let mut found = Vec::new();
    for kind in ["valid", "invalid", "malformed"] {
        for file in fs::read_dir(corpus.join(kind)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|ending| ending == "json") {
                let entry: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
                found.push((kind, file.file_name().unwrap().to_string_lossy().into_owned(), entry));
            }
        }
    }
    found
}

/// 10 §9.5, §9.7: a target that cannot be reached is told as what it is.
#[tokio::test]
async fn bad_input_messages_to_nobody_and_to_agents_that_are_not_there() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let message = json!({"method": "message/send", "params": {"message":
        {"role": "user", "parts": [{"kind": "text", "text": "hello"}]}}});
    let send = |api: Api, id: String| {
        let message = message.clone();
        async move { api.post(&format!("/workspaces/{id}/a2a"), &message).await }
    };
    let nobody = send(admin.clone(), NOBODY.into()).await;
    nobody.expect(404);
    assert_eq!(nobody.error(), "workspace not found");

    let gone = FakeAgent::start().await;
    let id = answered_by(&server, &gone).await;
    drop(gone);
    let unreachable = eventually("the refused connection", || async {
        let answer = send(admin.clone(), id.clone()).await;
        if answer.status == 502 { Ok(answer) } else { Err(answer.text()) }
    })
    .await;
    assert_eq!(unreachable.error(), "failed to reach workspace agent");
    let rows = admin.get(&format!("/workspaces/{id}/activity?type=a2a_receive&limit=1")).await.expect(200);
    assert_eq!(rows[0]["status"], "error", "{rows}");
    assert!(rows[0]["error_detail"].is_string(), "{rows}");

    let made = admin.post("/workspaces", &json!({"name": "Waiting", "external": true, "delivery_mode": "push"})).await;
    let waiting = made.expect(201)["id"].as_str().unwrap().to_owned();
    let no_url = send(admin.clone(), waiting).await;
    no_url.expect(503);
    assert_eq!(no_url.error(), "workspace has no URL");
    still_up(&server).await;
}

#[tokio::test]
async fn bad_input_workspace_fields() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let long = "n".repeat(256);
    for (body, error) in [
        (json!({}), "invalid workspace payload"),
        (json!({"name": ""}), "invalid workspace payload"),
        (json!({"name": 7}), "invalid workspace payload"),
        (json!({"name": long}), "invalid workspace fields"),
        (json!({"name": "a\nb"}), "invalid workspace fields"),
        (json!({"name": "a{b}"}), "invalid workspace fields"),
        (json!({"name": "ok", "role": "r".repeat(1001)}), "invalid workspace fields"),
        (json!({"name": "ok", "model": "m".repeat(101)}), "invalid workspace fields"),
        (json!({"name": "ok", "workspace_dir": "relative/path"}), "invalid workspace directory"),
        (json!({"name": "ok", "workspace_dir": "/etc"}), "invalid workspace directory"),
        (json!({"name": "ok", "workspace_access": "read_write"}), "invalid workspace access"),
    ] {
        let answer = admin.post("/workspaces", &body).await;
        answer.expect(400);
        assert_eq!(answer.error(), error, "{body}");
    }
    assert_eq!(admin.get("/workspaces").await.expect(200), json!([]));
}
