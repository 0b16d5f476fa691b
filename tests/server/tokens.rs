//! Credentials over HTTP: what is shown, what is kept, and how they end (10 §2, §17.1, §17.2, S066–S070).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, TestServer, eventually};

async fn workspace(server: &TestServer, name: &str) -> String {
    let made = server.admin().post("/workspaces", &json!({"name": name, "external": true})).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

async fn list(api: &Api, path: &str) -> Vec<Value> {
    let listed = api.get(path).await.expect(200);
    let tokens = listed["tokens"].as_array().unwrap().clone();
    assert_eq!(listed["count"], tokens.len(), "{listed}");
    tokens
}

fn id_of(tokens: &[Value], plain: &str) -> String {
    let found = tokens.iter().find(|token| plain.starts_with(token["prefix"].as_str().unwrap()));
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn s066_only_a_hash_is_kept_and_the_text_is_shown_once() {
    let mut server = TestServer::start().await;
    let id = workspace(&server, "Keeper").await;
    let path = format!("/workspaces/{id}/tokens");
    let api = server.admin();
    let made = [
        api.post(&path, &json!({})).await.expect(201),
        api.post(&path, &json!({"kind": "url"})).await.expect(201),
        api.post("/org/tokens", &json!({"name": "ci"})).await.expect(200),
    ];
    let texts: Vec<String> = made.iter().map(|made| made["auth_token"].as_str().unwrap().to_owned()).collect();
    for text in &texts {
        assert_eq!(text.len(), 43, "32 bytes, base64url without padding");
    }
    assert!(made[0]["message"].is_string() && made[2]["warning"].is_string(), "it says that this is the only time");
    for path in [path.as_str(), "/org/tokens"] {
        let shown = api.get(path).await.text();
        assert!(texts.iter().all(|text| !shown.contains(text.as_str())), "{shown}");
        assert!(texts.iter().any(|text| shown.contains(&text[..8])), "the first eight characters: {shown}");
    }
    server.stop();
    let mut files = 0;
    for entry in std::fs::read_dir(server.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        files += 1;
        let bytes = std::fs::read(entry.path()).unwrap();
        for text in &texts {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "a token lies in {:?}", entry.file_name());
        }
    }
    assert!(files >= 3, "the database was among them");
    assert!(texts.iter().all(|text| !server.log().contains(text.as_str())));
}

#[tokio::test]
async fn s070_r101_tokens_are_listed_made_and_revoked() {
    let server = TestServer::start().await;
    let (id, other) = (workspace(&server, "Mine").await, workspace(&server, "Other").await);
    let path = format!("/workspaces/{id}/tokens");
    let api = server.admin();
    let made = api.post(&path, &json!({})).await.expect(201);
    let text = made["auth_token"].as_str().unwrap();
    assert_eq!(made["workspace_id"], id.as_str());
    let own = server.bearer(text);
    // The workspace may look after its own.
    let tokens = list(&own, &path).await;
    assert_eq!(tokens.len(), 2, "that of its creation and this one");
    assert!(text.starts_with(tokens[0]["prefix"].as_str().unwrap()), "newest first");
    let keys: BTreeSet<&str> = tokens[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.is_superset(&BTreeSet::from(["id", "prefix", "created_at", "last_used_at"])), "{keys:?}");
    let token = id_of(&tokens, text);
    // Another's revoke is of nobody.
    let missing = server.admin().delete(&format!("/workspaces/{other}/tokens/{token}")).await;
    assert_eq!((missing.status, missing.error().as_str()), (404, "token not found or already revoked"));
    own.get(&format!("/workspaces/{id}/state")).await.expect(200);
    let revoked = api.delete(&format!("{path}/{token}")).await.expect(200);
    assert_eq!(revoked, json!({"status": "revoked"}));
    own.get(&format!("/workspaces/{id}/state")).await.expect(401);
    own.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(401);
    api.delete(&format!("{path}/{token}")).await.expect(404);
    assert_eq!(list(&api, &path).await.len(), 1);

    // Fifty live ones and no more; a page that makes no sense is the default one.
    for _ in 1..50 {
        api.post(&path, &json!({})).await.expect(201);
    }
    let full = api.post(&path, &json!({})).await;
    assert_eq!((full.status, full.error().as_str()), (429, "maximum 50 active tokens per workspace"));
    for (query, count) in [
        ("", 50),
        ("?limit=7", 7),
        ("?limit=0", 50),
        ("?limit=201", 50),
        ("?limit=x", 50),
        ("?offset=45", 5),
        ("?offset=-1", 50),
    ] {
        assert_eq!(list(&api, &format!("{path}{query}")).await.len(), count, "{query}");
    }

    for id in ["not-an-id", "00000000-0000-4000-8000-000000000000", "%00", "1' OR '1'='1"] {
        let path = format!("/workspaces/{}/tokens", id.replace(' ', "%20"));
        for answer in
            [api.get(&path).await, api.post(&path, &json!({})).await, api.delete(&format!("{path}/{token}")).await]
        {
            assert_eq!((answer.status, answer.error().as_str()), (404, "workspace not found"), "{path}");
        }
    }
}

#[tokio::test]
async fn s068_a_use_is_noted_and_a_token_is_good_for_its_own_workspace_alone() {
    let server = TestServer::start().await;
    let (id, other) = (workspace(&server, "Mine").await, workspace(&server, "Other").await);
    let path = format!("/workspaces/{id}/tokens");
    let api = server.admin();
    let made = api.post(&path, &json!({})).await.expect(201);
    let own = server.bearer(made["auth_token"].as_str().unwrap());
    assert_eq!(list(&api, &path).await[0]["last_used_at"], Value::Null);
    own.get(&format!("/workspaces/{id}/state")).await.expect(200);
    eventually("the use to be noted", || async {
        let at = list(&api, &path).await[0]["last_used_at"].clone();
        if at.is_string() { Ok(()) } else { Err(at.to_string()) }
    })
    .await;
    for path in [format!("/workspaces/{other}/state"), format!("/workspaces/{other}/tokens"), "/workspaces".to_owned()]
    {
        own.get(&path).await.expect(401);
    }
    // of several lines the first counts.
    let twice = |first: &str, second: &str| {
        let request = server.anonymous().request(Method::GET, &format!("/workspaces/{id}/state"));
        request.header("authorization", format!("Bearer {first}")).header("authorization", format!("Bearer {second}"))
    };
    let own = made["auth_token"].as_str().unwrap();
    assert_eq!(server.anonymous().send(twice(own, "guess")).await.status, 200);
    assert_eq!(server.anonymous().send(twice("guess", own)).await.status, 401);
    // 10 §2.1: exactly `Bearer `, the rest trimmed; anything else is no bearer.
    for (header, error) in [
        ("bearer TOKEN", "missing workspace auth token"),
        ("Basic TOKEN", "missing workspace auth token"),
        ("BearerTOKEN", "missing workspace auth token"),
        ("Bearer", "missing workspace auth token"),
        ("Bearer guess", "invalid workspace auth token"),
    ] {
        let request = server.anonymous().request(Method::GET, &format!("/workspaces/{id}/state"));
        let answer = server.anonymous().send(request.header("authorization", header.replace("TOKEN", own))).await;
        assert_eq!((answer.status, answer.error().as_str()), (401, error), "{header}");
    }
    let request = server.anonymous().request(Method::GET, &format!("/workspaces/{id}/state"));
    assert_eq!(server.anonymous().send(request.header("authorization", format!("Bearer   {own} "))).await.status, 200);
}

#[tokio::test]
async fn s069_org_tokens_act_as_the_person_until_they_are_revoked() {
    let server = TestServer::start().await;
    let id = workspace(&server, "Any").await;
    let api = server.admin();
    for (body, status) in
        [(json!({"name": "x".repeat(101)}), 400), (json!({"name": "x".repeat(100)}), 200), (json!({"name": ""}), 200)]
    {
        let answer = api.post("/org/tokens", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    // An undecodable body makes one without a name.
    let unnamed = api.post_bytes("/org/tokens", "{nonsense").await.expect(200);
    assert_eq!(unnamed.get("name"), None);
    let made = api.post("/org/tokens", &json!({"name": "ci"})).await.expect(200);
    let text = made["auth_token"].as_str().unwrap();
    assert_eq!((made["name"].as_str(), made["prefix"].as_str()), (Some("ci"), Some(&text[..8])));
    let org = server.bearer(text);
    org.get("/workspaces").await.expect(200);
    org.get(&format!("/workspaces/{id}/state")).await.expect(200);
    // It is no workspace: it does not act for one that has a token (10 §2.9).
    org.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(401);
    let second = org.post("/org/tokens", &json!({})).await.expect(200);
    let found = eventually("its use to be noted", || async {
        let tokens = list(&api, "/org/tokens").await;
        let found = tokens.iter().find(|token| token["id"] == made["id"]).cloned().unwrap();
        if found["last_used_at"].is_string() { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert_eq!((found["name"].as_str(), found["created_by"].as_str()), (Some("ci"), Some("admin-token")));
    let tokens = list(&api, "/org/tokens").await;
    assert_eq!(tokens[0]["id"], second["id"], "newest first");
    assert_eq!(tokens[0]["created_by"], format!("org-token:{}", &text[..8]));
    let path = format!("/org/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(api.delete(&path).await.expect(200), json!({"revoked": made["id"]}));
    org.get("/workspaces").await.expect(401);
    let again = api.delete(&path).await;
    assert_eq!((again.status, again.error().as_str()), (404, "token not found or already revoked"));
    server.bearer(second["auth_token"].as_str().unwrap()).get("/workspaces").await.expect(200);
}
