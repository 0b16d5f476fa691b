//! Who may register, and what a register brings (10 §4).

use molecule_model::{Status, WorkspaceId, event::EventKind, wire::DeliveryMode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{call, register, tokenless};
use crate::bed::{Bed, Known};

#[tokio::test(flavor = "multi_thread")]
async fn s079_s081_s084_a_first_register_gets_its_token_once() {
    let bed = Bed::new().await;
    let id = tokenless(&bed, DeliveryMode::Push).await;
    let mut events = bed.events();
    let body = json!({"id": id, "url": "http://127.0.0.1:9876", "agent_card": {"name": "Echo"}});
    let (status, first) = register(&bed, None, &body).await;
    assert_eq!((status, &first["status"], &first["delivery_mode"]), (200, &json!("registered"), &json!("push")));
    let token = first["auth_token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    let secret = first["platform_inbound_secret"].as_str().unwrap();
    let online = events.next(EventKind::WorkspaceOnline).await;
    assert_eq!(
        online.envelope.payload.fields(),
        json!({"url": "http://127.0.0.1:9876", "agent_card": {"name": "Echo"}})
    );
    events.next(EventKind::AgentCardUpdated).await;
    // Now the row has a token: nobody else is let in, and the url comes after the token (10 §4.3).
    let hijack = json!({"id": id, "url": "ftp://evil", "agent_card": {}});
    assert_eq!(register(&bed, None, &hijack).await, (401, json!({"error": "missing workspace auth token"})));
    assert_eq!(register(&bed, Some("wrong"), &hijack).await, (401, json!({"error": "invalid workspace auth token"})));
    let admin = bed.admin.clone();
    assert_eq!(register(&bed, Some(&admin), &body).await.0, 401, "not even the person's token (10 §2.9)");
    let (status, again) = register(&bed, Some(token), &body).await;
    assert_eq!((status, again.get("auth_token")), (200, None));
    assert_eq!(again["platform_inbound_secret"], secret, "the same on every register (S084, R-64)");
    let beat = json!({"workspace_id": id});
    let (status, beaten) = call(&bed, "/registry/heartbeat", Some(token), &beat).await;
    assert_eq!((status, beaten), (200, json!({"status": "ok", "platform_inbound_secret": secret})));
    assert_eq!(call(&bed, "/registry/heartbeat", None, &beat).await.0, 401);
    assert_eq!(bed.row(id).await.url.as_deref(), Some("http://127.0.0.1:9876"), "as it was sent (R-63)");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_strangers_need_leave() {
    let bed = Bed::new().await;
    let stranger =
        || json!({"id": WorkspaceId::random(), "url": "http://127.0.0.1:9876", "agent_card": {"name": "New"}});
    let (status, refusal) = register(&bed, None, &stranger()).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("not_accepting_agents")));
    assert!(refusal["error"].as_str().unwrap().contains("Accept new local agents"), "{refusal}");
    let known = bed.workspace("Known", None).await;
    assert_eq!(register(&bed, Some(&known.token), &stranger()).await.0, 401, "an agent does not bring others");
    for path in ["/registry/heartbeat", "/registry/update-card"] {
        let body = json!({"workspace_id": WorkspaceId::random(), "agent_card": {}});
        assert_eq!(call(&bed, path, None, &body).await.0, 401, "{path}");
        let admin = bed.admin.clone();
        assert_eq!(call(&bed, path, Some(&admin), &body).await.0, 200, "{path}: zero rows is fine");
    }
    // The person opens the door for ten minutes.
    bed.app.auth.accept_until(bed.now().plus_seconds(600).as_micros());
    let mut events = bed.events();
    let body = stranger();
    let (status, answer) = register(&bed, None, &body).await;
    assert_eq!((status, answer["auth_token"].as_str().map(str::len)), (200, Some(43)));
    let made = events.next(EventKind::WorkspaceProvisioning).await;
    assert_eq!(made.envelope.payload.fields()["name"], body["id"]);
    events.next(EventKind::WorkspaceOnline).await;
    bed.app.auth.accept_until(0);
    assert_eq!(register(&bed, None, &stranger()).await.0, 401);
    // With the person's own credential it is always open.
    let admin = bed.admin.clone();
    assert_eq!(register(&bed, Some(&admin), &stranger()).await.0, 200);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o3_s094_what_was_deleted_stays_so() {
    let bed = Bed::new().await;
    let a = bed.workspace("Gone", None).await;
    bed.remove(a.id).await;
    bed.sql("UPDATE workspace_auth_tokens SET revoked_at = 'x' WHERE workspace_id = ?1", vec![a.id.to_string()]).await;
    bed.app.auth.forget();
    let mut events = bed.events();
    let body = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": {}});
    let (status, answer) = register(&bed, None, &body).await;
    assert_eq!((status, &answer["error"], &answer["id"]), (410, &json!("workspace removed"), &json!(a.id)));
    assert!(answer["hint"].is_string() && answer.get("auth_token").is_none());
    let beat = json!({"workspace_id": a.id});
    assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &beat).await.0, 401, "its agent must notice");
    assert_eq!(bed.row(a.id).await.status, Status::Removed);
    assert!(events.waiting().is_empty());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s082_s083_modes_and_addresses() {
    let bed = Bed::new().await;
    let push = bed.workspace("Push", None).await;
    let poll = bed.workspace_as("Poll", None, "external", DeliveryMode::Poll).await;
    let ask = |known: &Known, url: Option<&str>, mode: Option<&str>| {
        let mut body = json!({"id": known.id, "agent_card": {}});
        if let Some(url) = url {
            body["url"] = json!(url);
        }
        if let Some(mode) = mode {
            body["delivery_mode"] = json!(mode);
        }
        (known.token.clone(), body)
    };
    let table = [
        (ask(&push, None, None), 400, "url is required"),
        (ask(&push, Some(""), None), 400, "url is required"),
        (ask(&push, Some("remote://no-inbound"), None), 400, "url must begin with http:// or https://"),
        (ask(&push, Some("http://169.254.169.254/"), None), 400, "this address is not allowed for an agent"),
        (ask(&push, Some("http://10.0.0.9:8000"), None), 400, "this address is not allowed for an agent"),
        (ask(&push, Some(&bed.base), None), 400, "this port is not an agent's"),
        (ask(&push, Some("http://no-such-host.invalid:8000"), None), 400, "the host name of url cannot be resolved"),
        (ask(&push, Some("http://127.0.0.1:9876"), Some("pull")), 400, "delivery_mode must be 'push' or 'poll'"),
        (ask(&push, Some("http://localhost:9876"), Some("")), 200, "push"),
        (ask(&push, None, Some("poll")), 200, "poll"),
        (ask(&push, None, None), 200, "poll"),
        (ask(&poll, None, None), 200, "poll"),
        (ask(&poll, Some("remote://no-inbound"), None), 200, "poll"),
        (ask(&poll, Some("http://169.254.169.254/"), None), 400, "this address is not allowed for an agent"),
        (ask(&poll, Some("http://127.0.0.1:9876"), Some("push")), 200, "push"),
    ];
    for (n, ((token, body), status, text)) in table.into_iter().enumerate() {
        let (got, answer) = register(&bed, Some(&token), &body).await;
        assert_eq!(got, status, "row {n}: {answer}");
        let said = answer.get("error").or(answer.get("delivery_mode")).and_then(Value::as_str).unwrap();
        assert!(said.starts_with(text), "row {n}: {said}");
    }
    // Undecodable bodies.
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"id":"x"}"#,
        r#"{"agent_card":{}}"#,
        r#"{"id":5,"agent_card":{}}"#,
        r#"{"id":"no-uuid","agent_card":{}}"#,
    ] {
        let answer = bed.post("/registry/register").body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "invalid request body"}), "{body}");
    }
    // The alias of 40 §21 row 13, and a card that is null.
    let body = json!({"workspace_id": push.id, "agent_card": null, "delivery_mode": "poll"});
    assert_eq!(register(&bed, Some(&push.token), &body).await.0, 200);
    assert_eq!(bed.read(&format!("/registry/{}/peers", poll.id)).await[0]["agent_card"], Value::Null);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_the_url_of_a_launched_agent_is_remembered_and_not_believed() {
    let bed = Bed::new().await;
    let a = bed.workspace("Ours", None).await;
    bed.sql("UPDATE workspaces SET launched = 1, url = 'http://127.0.0.1:4567' WHERE id = ?1", vec![a.id.to_string()])
        .await;
    let body = json!({"id": a.id, "url": "http://169.254.169.254/", "agent_card": {"name": "Ours"}});
    assert_eq!(register(&bed, Some(&a.token), &body).await.0, 200);
    assert_eq!(bed.row(a.id).await.url.as_deref(), Some("http://127.0.0.1:4567"));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r64_a_capability_base_url_registers_too() {
    let bed = Bed::new().await;
    let a = bed.workspace("Agent", None).await;
    let capability = molecule_platform::auth::fresh();
    let text = capability.expose().to_owned();
    let id = a.id;
    bed.app.store.write(move |tx| molecule_platform::auth::issue_url(tx, id, &capability)).await.unwrap();
    let body = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": {}});
    let answer = bed.post(&format!("/as/{text}/registry/register")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    bed.stop().await;
}

/// S085–S087, R-64: on first contact the secret is made, and every later answer carries the same; one that was lost
/// is made anew.
#[tokio::test(flavor = "multi_thread")]
async fn s085_s086_s087_r64_the_inbound_secret_is_made_on_first_contact_and_healed() {
    let bed = Bed::new().await;
    let known = bed.workspace("New", None).await;
    let beat = json!({"workspace_id": known.id});
    let secret = async || {
        let (status, answer) = call(&bed, "/registry/heartbeat", Some(&known.token), &beat).await;
        assert_eq!(status, 200);
        answer["platform_inbound_secret"].as_str().unwrap().to_owned()
    };
    let first = secret().await;
    assert_eq!(secret().await, first);
    let body = json!({"id": known.id, "url": "http://127.0.0.1:9876", "agent_card": {}});
    let (_, registered) = register(&bed, Some(&known.token), &body).await;
    assert_eq!(registered["platform_inbound_secret"], first.as_str());
    bed.app.vault.machine_delete(&format!("inbound/{}", known.id));
    let healed = secret().await;
    assert_ne!(healed, first);
    assert_eq!(secret().await, healed);
    bed.app.vault.flush().await.unwrap();
    let dir = std::sync::Arc::clone(&bed.dir);
    bed.stop().await;
    let bed = Bed::start(dir, |_| {}, std::sync::Arc::new(molecule_platform::SystemClock)).await;
    let (_, answer) = call(&bed, "/registry/heartbeat", Some(&known.token), &beat).await;
    assert_eq!(answer["platform_inbound_secret"], healed.as_str(), "also after a restart");
    bed.stop().await;
}
