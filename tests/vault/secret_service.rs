//! Done when 5: what a person stores lies in the Secret Service and in nothing else.

use serde_json::{Value, json};

use super::{session::Session, traces::traces_of};
use crate::support::eventually;

const CANARY: &str = "sk-canary-5f0c1d9e-in-a-cage";
const SECOND: &str = "sk-canary-77aa-for-one-agent";

#[tokio::test]
async fn done_when_5_s5_a_secret_lies_in_the_keychain_and_nowhere_else() {
    let Some(session) = Session::unlocked("done_when_5_s5") else { return };
    let server = session.server().start().await;
    let admin = server.admin();
    let health = server.anonymous().get("/health").await.expect(200);
    assert_eq!(health["vault"]["store"], "keychain", "{health}");
    assert_eq!(health["vault"]["state"], "ready", "{health}");

    let mut events = server.events(None).await;
    let body = json!({"key": "SPECIAL_TOKEN", "value": CANARY});
    let saved = admin.put("/settings/secrets", &body).await.expect(200);
    assert_eq!(saved["store"], "keychain", "{saved}");
    let row = admin.post("/workspaces", &json!({"name": "Keeper", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap().to_owned();
    let body = json!({"key": "OWN_TOKEN", "value": SECOND});
    admin.put(&format!("/workspaces/{id}/secrets"), &body).await.expect(200);

    assert_eq!(session.lookup("global/SPECIAL_TOKEN").as_deref(), Some(CANARY));
    assert_eq!(session.lookup(&format!("{id}/OWN_TOKEN")).as_deref(), Some(SECOND));
    let listed = admin.get("/settings/secrets").await.expect(200);
    assert_eq!(listed[0]["key"], "SPECIAL_TOKEN");
    assert_eq!(listed[0]["has_value"], true);

    // The key is tried, refused bodies carry it, an organisation of agents gets it and works with it.
    let check = json!({"provider": "openai", "key": CANARY, "base_url": "http://127.0.0.1:9/v1"});
    assert_eq!(admin.post("/secrets/validate", &check).await.expect(200)["code"], "unreachable");
    admin.put("/settings/secrets", &json!({"key": "", "value": CANARY})).await.expect(400);
    admin.put("/settings/secrets", &json!({"key": 5, "value": CANARY})).await.expect(400);
    demo_answers(&server).await;

    events.drain(std::time::Duration::from_millis(300)).await;
    let heard = Value::Array(events.seen.clone()).to_string();
    for canary in [CANARY, SECOND] {
        assert!(!heard.contains(canary), "a secret went over the event socket");
        assert_eq!(traces_of(canary, &server).await, Vec::<String>::new());
    }
    // The search does find what is there.
    assert!(traces_of("SPECIAL_TOKEN", &server).await.iter().any(|place| place.contains("molecule.db")));

    admin.delete("/settings/secrets/SPECIAL_TOKEN").await.expect(200);
    assert_eq!(session.lookup("global/SPECIAL_TOKEN"), None, "gone from the keychain too");
}

/// The demo organisation with the secret in its agents' environment, and one question.
async fn demo_answers(server: &crate::support::TestServer) {
    let admin = server.admin();
    let made = admin.post("/org/import", &json!({"dir": "product-team"})).await.expect(201);
    let root = made["workspaces"][0]["id"].as_str().unwrap().to_owned();
    eventually("five agents online", || async {
        let rows = admin.get("/workspaces").await.expect(200);
        let local = rows.as_array().unwrap().iter().filter(|row| row["runtime"] == "local");
        let states: Vec<&str> = local.filter_map(|row| row["status"].as_str()).collect();
        if states.len() >= 5 && states.iter().all(|state| *state == "online") {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    })
    .await;
    let message = json!({"method": "message/send", "params": {"message":
        {"role": "user", "parts": [{"kind": "text", "text": "What comes first?"}]}}});
    admin.post(&format!("/workspaces/{root}/a2a"), &message).await.expect(200);
}

#[tokio::test]
async fn r10_what_the_machine_makes_for_itself_is_sealed_and_its_key_is_one_entry() {
    let Some(session) = Session::unlocked("r10") else { return };
    let mut server = session.server().start().await;
    let row = server.admin().post("/workspaces", &json!({"name": "Inbound", "external": true})).await.expect(201);
    let id = row["id"].as_str().unwrap();
    let token = server.admin().post(&format!("/workspaces/{id}/tokens"), &json!({})).await.expect(201);
    let agent = server.bearer(token["auth_token"].as_str().unwrap());
    let beat = |secret: Value| secret["platform_inbound_secret"].as_str().unwrap().to_owned();
    let first = beat(agent.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(200));
    let again = beat(agent.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(200));
    assert_eq!(first, again, "R-64: every later answer carries the same value");
    assert_eq!(traces_of(&first, &server).await, Vec::<String>::new());
    server.restart().await;
    let agent = server.bearer(agent.bearer().unwrap());
    let after = beat(agent.post("/registry/heartbeat", &json!({"workspace_id": id})).await.expect(200));
    assert_eq!(first, after, "it survives a restart");
    assert!(!server.data().join("sealed.key").exists(), "the key is in the keychain, not in a file");
}
