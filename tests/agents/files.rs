//! Chat files end to end (10 §13): the script that anybody can run, and an agent that reads what it was sent.

use std::{
    collections::HashMap,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Multipart, Query, State},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::bed::{answer_text, text};
use crate::support::{Api, FakeAgent, TestServer, eventually, server::output, skipped};

/// Runs the script; `None` where there is no curl.
async fn script(test: &str, variables: Vec<(&'static str, String)>) -> Option<(Option<i32>, String, String)> {
    if Command::new("curl").arg("--version").output().is_err() {
        skipped(test, "there is no curl");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/try-chat-files");
    let run = move || {
        let mut command = Command::new("sh");
        command.arg(script).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        output(command.envs(variables))
    };
    Some(tokio::task::spawn_blocking(run).await.unwrap())
}

async fn online(api: &Api, id: &str) {
    eventually("it to be online", || async {
        let row = api.get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == "online" { Ok(()) } else { Err(row["status"].to_string()) }
    })
    .await;
}

#[tokio::test]
async fn s187_the_script_passes_against_a_development_server_with_the_built_in_agent() {
    let server = TestServer::development().await;
    let Some((code, out, err)) = script("s187 local", vec![("BASE", server.url())]).await else { return };
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("byte for byte") && out.contains("without a bearer"), "{out}");
    assert_eq!(server.admin().get("/workspaces").await.expect(200), json!([]), "it cleans up");
}

#[tokio::test]
async fn s187_the_script_requires_a_bearer_of_a_server_that_is_closed() {
    let builder = TestServer::builder().env("MOLECULE_ENABLE_TEST_TOKENS", "1").env("ADMIN_TOKEN", "the admin's");
    let server = builder.start().await;
    let agent = Files::start().await;
    let id = agent.join(&server).await;
    let variables = vec![("BASE", server.url()), ("WORKSPACE", id), ("ADMIN_TOKEN", "the admin's".to_owned())];
    let Some((code, out, err)) = script("s187 closed", variables).await else { return };
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(agent.kept.lock().unwrap().len(), 1);
    // And it can fail: a server that gives no test tokens.
    let closed = TestServer::start().await;
    let variables = vec![("BASE", closed.url()), ("ADMIN_TOKEN", closed.admin_token().to_owned())];
    let (code, _, err) = script("s187 closed", variables).await.unwrap();
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no test token: 404"), "{err}");
}

#[tokio::test]
async fn s187_s177_the_script_passes_with_files_that_are_kept_for_a_poll_agent() {
    let server = TestServer::development().await;
    let api = server.admin();
    let made = api.post("/workspaces", &json!({"name": "Poller", "runtime": "external"})).await.expect(201);
    let (id, token) = (text(&made, "id"), text(&made["connection"], "auth_token"));
    let card = json!({"id": id, "delivery_mode": "poll", "agent_card": FakeAgent::card("Poller")});
    server.bearer(&token).post("/registry/register", &card).await.expect(200);
    let variables = vec![("BASE", server.url()), ("WORKSPACE", id)];
    let Some((code, out, err)) = script("s187 poll", variables).await else { return };
    assert_eq!(code, Some(0), "{out}{err}");
}

/// What the built-in agent does with a file: its tools read it, and its answer brings one back.
#[tokio::test]
async fn s176_s186_a_local_agent_reads_what_it_was_sent_and_answers_with_a_file() {
    const RULES: &str = r#"name: Reader
model: rehearsal
rehearsal:
  words_per_second: 0
  rules:
    - match: 'attached file: .* at (?P<path>\S+)\]'
      steps:
        - read_file: {path: "{{ path }}", as: words}
        - reply: "It says: {{ words }} See {{ path }}"
    - steps: [{reply: "Nothing came."}]
"#;
    let server = TestServer::start().await;
    let api = server.admin();
    let made =
        api.post("/workspaces", &json!({"name": "Reader", "runtime": "local", "model": "rehearsal"})).await.expect(201);
    let id = text(&made, "id");
    online(&api, &id).await;
    std::fs::write(server.data().join("workspaces").join(&id).join("configs/config.yaml"), RULES).unwrap();
    let form = Form::new().part("files", Part::text("The word is heron.").file_name("my word.txt"));
    let uploads = format!("/workspaces/{id}/chat/uploads");
    let sent = api.send(api.request(reqwest::Method::POST, &uploads).multipart(form)).await.expect(200);
    let file = &sent["files"][0];
    assert_eq!(
        (&file["name"], &file["mimeType"], &file["size"]),
        (&json!("my_word.txt"), &json!("text/plain"), &json!(18))
    );
    // A message may be nothing but a file.
    let message = json!({"method": "message/send", "params": {"message": {"role": "user", "messageId": "m-1",
        "parts": [{"kind": "file", "file": file}]}}});
    let answer = api.post(&format!("/workspaces/{id}/a2a"), &message).await.expect(200);
    assert!(answer_text(&answer).starts_with("It says: The word is heron."), "{answer}");
    // Both are in the history, and both can be fetched.
    let rows = api.get(&format!("/workspaces/{id}/activity?type=a2a_receive&source=canvas")).await.expect(200);
    let asked = rows[0]["request_body"].pointer("/params/message/parts/0/file/uri").cloned();
    let parts = rows[0]["response_body"]["result"]["parts"].as_array().unwrap();
    let answered = parts.iter().find_map(|part| part["file"].get("uri").cloned());
    for uri in [asked, answered] {
        let path = uri.as_ref().and_then(Value::as_str).unwrap().strip_prefix("workspace:").unwrap().to_owned();
        let back = api.get(&format!("/workspaces/{id}/chat/download?path={path}")).await;
        assert_eq!((back.status, back.text().as_str()), (200, "The word is heron."));
        assert_eq!(
            back.header("content-disposition").unwrap(),
            "attachment; filename=\"my_word.txt\"; filename*=UTF-8''my_word.txt"
        );
    }
}

/// An agent of somebody else that keeps files in memory (40 §9).
struct Files {
    url: String,
    secret: Arc<Mutex<String>>,
    kept: Arc<Mutex<HashMap<String, Bytes>>>,
}

type Kept = (Arc<Mutex<String>>, Arc<Mutex<HashMap<String, Bytes>>>);

impl Files {
    async fn start() -> Self {
        let (secret, kept) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<HashMap<String, Bytes>>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/internal/chat/uploads/ingest", post(take))
            .route("/internal/file/read", get(give))
            .with_state((Arc::clone(&secret), Arc::clone(&kept)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, secret, kept }
    }

    /// Registers and learns the secret.
    async fn join(&self, server: &TestServer) -> String {
        let admin = server.bearer("the admin's");
        let made = admin.post("/workspaces", &json!({"name": "Files", "runtime": "external"})).await.expect(201);
        let (id, token) = (text(&made, "id"), text(&made["connection"], "auth_token"));
        let card = json!({"id": id, "url": self.url, "delivery_mode": "push", "agent_card": FakeAgent::card("Files")});
        let registered = server.bearer(&token).post("/registry/register", &card).await.expect(200);
        *self.secret.lock().unwrap() = text(&registered, "platform_inbound_secret");
        id
    }
}

fn shows(headers: &HeaderMap, secret: &Mutex<String>) -> bool {
    let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    shown == format!("Bearer {}", secret.lock().unwrap())
}

async fn take(
    State((secret, kept)): State<Kept>,
    headers: HeaderMap,
    mut form: Multipart,
) -> (StatusCode, Json<Value>) {
    if !shows(&headers, &secret) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "unauthorized"})));
    }
    let mut files = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let name = field.file_name().unwrap().replace(' ', "_");
        let bytes = field.bytes().await.unwrap();
        let path = format!("/workspace/.molecule/chat-uploads/{}-{name}", uuid::Uuid::new_v4().simple());
        files.push(json!({"uri": format!("workspace:{path}"), "name": name, "size": bytes.len()}));
        kept.lock().unwrap().insert(path, bytes);
    }
    (StatusCode::OK, Json(json!({"files": files})))
}

async fn give(
    State((secret, kept)): State<Kept>,
    headers: HeaderMap,
    Query(asked): Query<HashMap<String, String>>,
) -> (StatusCode, Bytes) {
    if !shows(&headers, &secret) {
        return (StatusCode::UNAUTHORIZED, Bytes::new());
    }
    match kept.lock().unwrap().get(&asked["path"]) {
        Some(bytes) => (StatusCode::OK, bytes.clone()),
        None => (StatusCode::NOT_FOUND, Bytes::new()),
    }
}
