//! Done when 11: a key is tried as soon as it is typed, and model servers of this machine are offered by name.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{FakeAgent, TestServer, skipped};

/// How each provider refuses, in its own words: `(key, status, body)`.
fn refusal(provider: &str, key: &str) -> (u16, Value) {
    let anthropic = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let openai =
        |code: &str, message: &str| json!({"error": {"message": message, "type": "x", "param": null, "code": code}});
    match (provider, key) {
        (_, "sk-good") => (200, json!({"object": "list", "data": []})),
        ("anthropic", "sk-expired") => (401, anthropic("authentication_error", "This API key has expired.")),
        ("anthropic", "sk-spent") => {
            (400, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."))
        }
        ("anthropic", _) => (401, anthropic("authentication_error", "invalid x-api-key")),
        (_, "sk-expired") => (401, openai("invalid_api_key", "This API key has been disabled.")),
        (_, "sk-spent") => (429, openai("insufficient_quota", "You exceeded your current quota.")),
        _ => (401, openai("invalid_api_key", "Incorrect API key provided.")),
    }
}

#[tokio::test]
async fn done_when_11_r100_wrong_expired_spent_and_unreachable_are_four_messages() {
    let server = TestServer::start().await;
    let admin = server.admin();
    for provider in ["anthropic", "openai", "openrouter", "custom"] {
        let stub = FakeAgent::answering(move |seen| {
            let bearer =
                seen.headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            let header = seen.headers.get("x-api-key").and_then(|value| value.to_str().ok());
            let key = if provider == "anthropic" { header } else { bearer };
            refusal(provider, key.expect("the key is where the provider looks for it"))
        })
        .await;
        let ask = |key: &'static str, base: String| {
            let admin = admin.clone();
            async move {
                let body = json!({"provider": provider, "key": key, "base_url": base});
                admin.post("/secrets/validate", &body).await.expect(200)
            }
        };
        let good = ask("sk-good", stub.url().into()).await;
        assert_eq!(good, json!({"valid": true}), "{provider}");
        let mut texts = BTreeSet::new();
        for (key, code) in [("sk-wrong", "wrong"), ("sk-expired", "expired"), ("sk-spent", "quota")] {
            let verdict = ask(key, stub.url().into()).await;
            assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!(code)), "{provider} {key}");
            texts.insert(verdict["error"].as_str().unwrap().to_owned());
        }
        let gone = stub.url().to_owned();
        drop(stub);
        let verdict = ask("sk-good", gone).await;
        assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!("unreachable")), "{provider}");
        texts.insert(verdict["error"].as_str().unwrap().to_owned());
        assert_eq!(texts.len(), 4, "{provider}: {texts:?}");
    }
    assert_eq!(admin.get("/settings/secrets").await.expect(200), json!([]), "trying stores nothing");
    for key in ["sk-good", "sk-wrong", "sk-expired", "sk-spent"] {
        assert!(!server.log().contains(key), "{key} is in the log");
    }
}

#[tokio::test]
async fn done_when_11_a_local_model_server_on_its_usual_port_is_offered_by_name_with_its_models() {
    // What Ollama answers; its port is a fact of the world, so it cannot be another one.
    let Ok(listener) = TcpListener::bind("127.0.0.1:11434").await else {
        return skipped("done_when_11_a_local_model_server", "port 11434 is taken on this machine");
    };
    let list = json!({"object": "list", "data": [
        {"id": "llama3.2:latest", "object": "model", "owned_by": "library"},
        {"id": "qwen3:8b", "object": "model", "owned_by": "library"},
    ]});
    let router = axum::Router::new().route("/v1/models", axum::routing::get(move || async move { axum::Json(list) }));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let server = TestServer::start().await;
    for (path, pointer) in [("/models/local", "/servers"), ("/app/state", "/models/local")] {
        let found = server.admin().get(path).await.expect(200);
        let servers = found.pointer(pointer).and_then(Value::as_array).unwrap();
        let ollama = servers.iter().find(|row| row["name"] == "Ollama").unwrap_or_else(|| panic!("{path}: {found}"));
        assert_eq!(ollama["base_url"], "http://127.0.0.1:11434/v1", "{path}");
        assert_eq!(ollama["models"], json!(["llama3.2:latest", "qwen3:8b"]), "{path}");
    }
    serving.abort();
}
