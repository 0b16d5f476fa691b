//! Register, heartbeat, cards, discovery (10 §4–§7).

use molecule_model::{Status, WorkspaceId, event::EventKind, wire::DeliveryMode};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::{Bed, Known};

async fn register(bed: &Bed, token: Option<&str>, body: &Value) -> (u16, Value) {
    call(bed, "/registry/register", token, body).await
}

async fn call(bed: &Bed, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let request = bed.post(path).json(body);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// A row that was made for an agent which has no token yet.
async fn tokenless(bed: &Bed, mode: DeliveryMode) -> WorkspaceId {
    let known = bed.workspace_as("Bare", None, "external", mode).await;
    bed.sql("DELETE FROM workspace_auth_tokens WHERE workspace_id = ?1", vec![known.id.to_string()]).await;
    bed.app.auth.forget();
    known.id
}

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
async fn s090_every_beat_is_heard_and_a_new_task_is_told() {
    let bed = Bed::new().await;
    let a = bed.agent("Busy", None, "http://127.0.0.1:9876").await;
    let mut events = bed.events();
    let beat = json!({"workspace_id": a.id, "active_tasks": 1, "current_task": "Reading", "uptime_seconds": 412, "monthly_spend": 1375});
    for _ in 0..2 {
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &beat).await.0, 200);
    }
    let told = events.next(EventKind::TaskUpdated).await;
    assert_eq!(told.envelope.payload.fields(), json!({"current_task": "Reading", "active_tasks": 1}));
    assert!(told.envelope.seq.is_some(), "numbered for resume (R-20)");
    for _ in 0..2 {
        let heard = events.next(EventKind::WorkspaceHeartbeat).await;
        assert_eq!(heard.envelope.payload.fields(), json!({"active_tasks": 1, "uptime_seconds": 412}));
        assert_eq!(heard.envelope.seq, None);
    }
    assert!(!events.waiting().contains(&EventKind::TaskUpdated));
    assert_eq!(bed.row(a.id).await.monthly_spend, 1375);
    for bad in [
        json!({}),
        json!({"workspace_id": ""}),
        json!({"workspace_id": a.id, "active_tasks": 1.5}),
        json!({"workspace_id": a.id, "uptime_seconds": "1"}),
    ] {
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &bad).await.0, 400, "{bad}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s096_s097_s098_peers_discovery_and_access() {
    let bed = Bed::new().await;
    let root = bed.agent("Root", None, "http://127.0.0.1:9871").await;
    let a = bed.agent("Alice", Some(root.id), "http://127.0.0.1:9872").await;
    let b = bed.agent("Bob", Some(root.id), "http://127.0.0.1:9873").await;
    let below = bed.agent("Carol", Some(a.id), "http://127.0.0.1:9874").await;
    let far = bed.workspace("Far", Some(b.id)).await;
    let names = |peers: &Value| {
        peers.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = format!("/registry/{}/peers", a.id);
    let peers: Value = bed.get(&path).bearer_auth(&a.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(names(&peers), ["Bob", "Carol", "Root"]);
    let keys: Vec<&str> = peers[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "role", "tier", "status", "url", "parent_id", "active_tasks", "agent_card"]);
    for (q, want) in
        [("bO", vec!["Bob"]), ("  ", vec!["Bob", "Carol", "Root"]), ("carol%20ROLE", vec!["Carol"]), ("%25", vec![])]
    {
        assert_eq!(names(&bed.read(&format!("{path}?q={q}")).await), want, "{q}");
    }
    assert_eq!(bed.get(&path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bed.get(&path).bearer_auth(&b.token).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        bed.get(&format!("/registry/{}/peers", WorkspaceId::random()))
            .bearer_auth(&bed.admin)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );

    let discover = async |from: Option<&Known>, to: WorkspaceId| {
        let mut request = bed.get(&format!("/registry/discover/{to}"));
        if let Some(from) = from {
            request = request.bearer_auth(&from.token).header("X-Workspace-ID", from.id.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(discover(None, a.id).await, (400, json!({"error": "X-Workspace-ID header is required"})));
    assert_eq!(
        discover(Some(&b), a.id).await,
        (200, json!({"id": a.id, "url": "http://127.0.0.1:9872", "name": "Alice"}))
    );
    assert_eq!(discover(Some(&a), a.id).await.0, 200, "oneself");
    assert_eq!(discover(Some(&root), below.id).await.0, 200, "an ancestor");
    assert_eq!(
        discover(Some(&b), below.id).await,
        (403, json!({"error": "not authorized to discover this workspace"}))
    );
    assert_eq!(discover(Some(&b), WorkspaceId::random()).await.0, 403);
    assert_eq!(
        discover(Some(&b), far.id).await,
        (503, json!({"error": "workspace not available", "status": "provisioning"}))
    );
    let lie = Known { id: a.id, token: b.token.clone() };
    assert_eq!(discover(Some(&lie), b.id).await.0, 401);
    bed.sql("UPDATE workspaces SET url = 'http://169.254.169.254/' WHERE id = ?1", vec![a.id.to_string()]).await;
    assert_eq!(discover(Some(&b), a.id).await, (503, json!({"error": "workspace URL failed safety check"})));

    let check = async |caller: &str, target: &str, token: Option<&str>| {
        call(&bed, "/registry/check-access", token, &json!({"caller_id": caller, "target_id": target})).await
    };
    let (alice, bob, carol) = (a.id.to_string(), b.id.to_string(), below.id.to_string());
    assert_eq!(check(&alice, &bob, None).await.0, 401, "R-35");
    let admin = Some(bed.admin.as_str());
    for (caller, target, want) in [(&alice, &bob, true), (&bob, &carol, false), (&bob, &bob, true)] {
        assert_eq!(check(caller, target, admin).await, (200, json!({"allowed": want})), "{caller} {target}");
    }
    assert_eq!(
        check("nobody", "nobody", admin).await,
        (200, json!({"allowed": true})),
        "the same id, without a look-up"
    );
    assert_eq!(check("nobody", &bob, admin).await, (200, json!({"allowed": false})));
    assert_eq!(check("", &bob, admin).await.0, 400);
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

/// S072: a database that cannot be read is a 503 with the code that screens know, and nothing of its own words.
#[tokio::test(flavor = "multi_thread")]
async fn s072_an_unreadable_database_is_503_at_every_door() {
    let bed = Bed::new().await;
    let a = bed.agent("Known", None, "http://127.0.0.1:9876").await;
    bed.sql("ALTER TABLE canvas_sessions RENAME TO gone", Vec::new()).await;
    bed.app.auth.forget();
    let body = json!({"workspace_id": a.id});
    let asked = [
        bed.get(&format!("/workspaces/{}/state", a.id)),
        bed.get("/workspaces"),
        bed.post("/registry/heartbeat").json(&body),
        bed.get(&format!("/registry/{}/peers", a.id)),
        bed.get("/events"),
        bed.post(&format!("/workspaces/{}/a2a", a.id)).json(&crate::bed::message("message/send", "hi")),
    ];
    for request in asked {
        let answer = request.bearer_auth(&a.token).send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().path().to_owned());
        let text = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("platform_unavailable")), "{url}");
        assert!(!text.contains("canvas_sessions") && !text.contains("SQL") && !text.contains("no such"), "{text}");
    }
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

/// S091, S092, O-25: a beat replaces what the one before said of the runtime; one that says nothing clears it; a
/// side beat (R-40) leaves it alone.
#[tokio::test(flavor = "multi_thread")]
async fn s091_s092_o25_r40_what_a_beat_says_of_the_runtime() {
    let bed = Bed::new().await;
    let a = bed.agent("Native", None, "http://127.0.0.1:9876").await;
    let beat = async |more: Value| {
        let mut body = json!({"workspace_id": a.id, "uptime_seconds": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &body).await.0, 200, "{body}");
        (bed.app.presence.is_native(a.id, "session"), bed.app.presence.idle_timeout(a.id).map(|time| time.as_secs()))
    };
    let said =
        json!({"runtime_metadata": {"capabilities": {"session": true, "retry": false}, "idle_timeout_seconds": 600}});
    assert_eq!(beat(said.clone()).await, (true, Some(600)));
    assert_eq!(beat(json!({"uptime_seconds": 0})).await, (true, Some(600)), "a side beat");
    for timeout in [json!(0), json!(-5), Value::Null] {
        let only = json!({"runtime_metadata": {"capabilities": {"session": true}, "idle_timeout_seconds": timeout}});
        assert_eq!(beat(only).await, (true, None), "{timeout}");
    }
    assert_eq!(beat(json!({"runtime_metadata": {"idle_timeout_seconds": 7}})).await, (false, Some(7)), "apart");
    beat(said.clone()).await;
    assert_eq!(beat(json!({})).await, (false, None), "said nothing: cleared (O-25)");
    for bad in [
        json!({"capabilities": {"session": "yes"}}),
        json!({"capabilities": []}),
        json!({"idle_timeout_seconds": 1.5}),
        json!("x"),
    ] {
        let body = json!({"workspace_id": a.id, "runtime_metadata": bad});
        assert_eq!(call(&bed, "/registry/heartbeat", Some(&a.token), &body).await.0, 400, "{bad}");
    }
    // S107: who judges its own health is not judged by its error rate.
    let native = json!({"runtime_metadata": {"capabilities": {"status_mgmt": true}}, "error_rate": 0.0});
    beat(native.clone()).await;
    beat(json!({"runtime_metadata": native["runtime_metadata"], "error_rate": 0.9})).await;
    assert_eq!(bed.row(a.id).await.status, Status::Online);
    beat(json!({"error_rate": 0.9})).await;
    assert_eq!(bed.row(a.id).await.status, Status::Online, "judged by what was said before this beat (10 §5.2)");
    beat(json!({"error_rate": 0.9, "sample_error": "no key"})).await;
    let row = bed.row(a.id).await;
    assert_eq!((row.status, row.last_sample_error.as_deref()), (Status::Degraded, Some("no key")));
    bed.stop().await;
}

/// R-60, R-93, 10 §6: what a card update changes is committed before its answer, and told; an unknown id is fine.
#[tokio::test(flavor = "multi_thread")]
async fn r60_r93_a_new_card_is_stored_before_the_answer_and_told() {
    let bed = Bed::new().await;
    let a = bed.agent("Carded", None, "http://127.0.0.1:9876").await;
    let mut events = bed.events();
    let body = json!({"workspace_id": a.id, "agent_card": {"name": "New", "n": 1.0e3}});
    let answer = call(&bed, "/registry/update-card", Some(&a.token), &body).await;
    assert_eq!(answer, (200, json!({"status": "updated"})));
    assert_eq!(bed.read(&format!("/workspaces/{}", a.id)).await["agent_card"], body["agent_card"]);
    let told = events.next(EventKind::AgentCardUpdated).await;
    assert_eq!(told.envelope.payload.fields(), json!({"agent_card": body["agent_card"]}));
    for bad in [
        json!({}),
        json!({"workspace_id": a.id}),
        json!({"agent_card": {}}),
        json!({"workspace_id": 7, "agent_card": {}}),
    ] {
        let answer = call(&bed, "/registry/update-card", Some(&a.token), &bad).await;
        assert_eq!(answer, (400, json!({"error": "invalid request body"})), "{bad}");
    }
    // A register with the same card is no news of the card; with another it is (R-93).
    let again = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": body["agent_card"]});
    register(&bed, Some(&a.token), &again).await;
    events.next(EventKind::WorkspaceOnline).await;
    assert!(!events.waiting().contains(&EventKind::AgentCardUpdated));
    let other = json!({"id": a.id, "url": "http://127.0.0.1:9876", "agent_card": {"name": "Newer"}});
    register(&bed, Some(&a.token), &other).await;
    events.next(EventKind::WorkspaceOnline).await;
    assert_eq!(events.waiting(), [EventKind::AgentCardUpdated], "right after");
    bed.stop().await;
}

/// O-5: a peer without a role is no crash of a search.
#[tokio::test(flavor = "multi_thread")]
async fn o5_s096_a_peer_without_a_role_is_searched_like_others() {
    let bed = Bed::new().await;
    let (a, b) = (bed.workspace("Alice", None).await, bed.workspace("Bob", None).await);
    bed.sql("UPDATE workspaces SET role = NULL WHERE id = ?1", vec![b.id.to_string()]).await;
    let names = async |q: &str| {
        let peers = bed.read(&format!("/registry/{}/peers?q={q}", a.id)).await;
        peers.as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("role").await, Vec::<String>::new());
    assert_eq!((names("BO").await, names("").await), (vec!["Bob".to_owned()], vec!["Bob".to_owned()]));
    bed.stop().await;
}

/// O-26: nothing is sent to a tombstone, whatever address it still has.
#[tokio::test(flavor = "multi_thread")]
async fn o26_a_message_to_a_removed_workspace_is_404() {
    let bed = Bed::new().await;
    let agent = crate::agent::Agent::saying("ghost").await;
    let a = bed.agent("Gone", None, &agent.url).await;
    bed.remove(a.id).await;
    let answer = bed.say(a.id, "hello").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "workspace not found"}));
    assert!(agent.got().is_empty());
    let restart = bed.post(&format!("/workspaces/{}/restart", a.id)).bearer_auth(&bed.admin).send().await.unwrap();
    assert_eq!(restart.status(), StatusCode::NOT_FOUND);
    bed.stop().await;
}
