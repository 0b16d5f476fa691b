use molecule_model::event::EventKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::Bed;

async fn refused(bed: &Bed, body: Value) -> (StatusCode, String) {
    let (status, body) = bed.ask(Method::POST, "/workspaces", body).await;
    (status, body["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn each_refusal_has_the_contracts_text_and_leaves_nothing() {
    let bed = Bed::new().await;
    let long = "x".repeat(101);
    for (body, text) in [
        (json!({}), "invalid workspace payload"),
        (json!({"name": ""}), "invalid workspace payload"),
        (json!({"name": 7}), "invalid workspace payload"),
        (json!({"name": "a", "tier": "two"}), "invalid workspace payload"),
        (json!({"name": "a{b"}), "invalid workspace fields"),
        (json!({"name": "a", "role": "x\ny"}), "invalid workspace fields"),
        (json!({"name": "a", "model": long}), "invalid workspace fields"),
        (json!({"name": "a", "parent_id": "nobody"}), "invalid workspace fields"),
        (json!({"name": "a", "parent_id": "7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11"}), "invalid workspace fields"),
        (json!({"name": "a", "budget_limit": -1}), "invalid workspace fields"),
        (json!({"name": "a", "external": true, "url": "http://169.254.169.254/"}), "invalid workspace fields"),
        (json!({"name": "a", "template": "../../etc", "runtime": "local", "model": "m"}), "invalid template"),
        (json!({"name": "a", "template": "/etc"}), "invalid template"),
        (json!({"name": "a", "workspace_dir": "/etc"}), "invalid workspace directory"),
        (json!({"name": "a", "workspace_access": "read_write"}), "invalid workspace access"),
        (json!({"name": "a", "delivery_mode": "pigeon"}), "delivery_mode must be push or poll"),
    ] {
        assert_eq!(refused(&bed, body.clone()).await, (StatusCode::BAD_REQUEST, text.to_owned()), "{body}");
    }
    let data = bed.home.path().join("data").to_str().unwrap().to_owned();
    let inside = json!({"name": "a", "workspace_dir": format!("{data}/workspaces"), "workspace_access": "read_only"});
    assert_eq!(refused(&bed, inside).await.1, "invalid workspace directory");
    assert_eq!(bed.get("/workspaces").await, json!([]));
    assert_eq!(std::fs::read_dir(bed.home.path().join("data/workspaces")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_local_workspace_gets_files_secrets_memories_and_an_agent() {
    let bed = Bed::new().await;
    let mut heard = bed.listen();
    let body = json!({
        "name": "Docs Writer", "role": "Keeps the handbook", "template": "local-assistant", "tier": 2, "model": "anthropic/claude",
        "secrets": {"OTHER_TOKEN": "t0p", "MODEL_PROVIDER": "ignored"}, "budget_limit": 25.9, "canvas": {"x": 0.1, "y": -2.5e3},
        "initial_memories": [{"content": "a fact", "scope": "team"}, {"content": "no", "scope": "WORLD"}],
        "max_concurrent_tasks": 2,
    });
    let (status, answer) = bed.ask(Method::POST, "/workspaces", body).await;
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        answer,
        json!({"id": id, "status": "provisioning", "awareness_namespace": format!("workspace:{id}"), "workspace_access": "none"})
    );
    let event = heard.next(&[EventKind::WorkspaceProvisioning]).await;
    assert_eq!(
        event.envelope.payload.fields(),
        json!({"name": "Docs Writer", "tier": 2, "runtime": "local", "x": 0.1, "y": -2500.0})
    );

    let id = id.parse().unwrap();
    let config = std::fs::read_to_string(bed.app().paths.configs(id).join("config.yaml")).unwrap();
    assert!(config.contains("runtime: local"), "{config}");
    bed.until_launched(id).await;
    let row = bed.row(id).await;
    assert_eq!(
        (row["x"].as_f64(), row["y"].as_f64(), row["budget_limit"].as_i64()),
        (Some(0.1), Some(-2500.0), Some(25))
    );
    let environment = crate::bed::environment(bed.pid(id));
    for want in [
        "OTHER_TOKEN=t0p",
        "MODEL=anthropic/claude",
        "MODEL_PROVIDER=anthropic/claude",
        "LLM_PROVIDER=anthropic",
        "MOLECULE_AGENT_ROLE=Keeps the handbook",
        "MOLECULE_AGENT_NAME=Docs Writer",
        "TIER=2",
        "GIT_AUTHOR_NAME=Molecule AI Docs Writer",
    ] {
        assert!(environment.iter().any(|entry| entry == want), "{want} is not in {environment:?}");
    }
    assert!(!environment.iter().any(|entry| entry.starts_with("PARENT_ID=")));
    let memories = bed.get(&format!("/workspaces/{id}/memories")).await;
    assert_eq!(memories.as_array().unwrap().len(), 1, "{memories}");
    assert_eq!(memories[0]["scope"], "TEAM");
    // Nothing secret in the database.
    bed.app()
        .store
        .read(|conn| {
            let all: String =
                conn.query_row("SELECT group_concat(key || store || check_value, ' ') FROM secrets", [], |row| {
                    row.get(0)
                })?;
            assert!(all.contains("OTHER_TOKEN") && !all.contains("t0p"));
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn r58_without_a_launcher_the_answer_stays_and_the_row_says_why() {
    let bed = Bed::new().await;
    let mut heard = bed.listen();
    let id = bed.create(json!({"name": "Coder", "template": "no-such-template"})).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    let text = "no launcher for runtime claude-code on this computer: no container engine is available";
    assert_eq!(event.envelope.payload.fields(), json!({"error": text}));
    let row = bed.row(id).await;
    assert_eq!(
        (row["status"].as_str(), row["last_sample_error"].as_str(), row["url"].as_str()),
        (Some("failed"), Some(text), Some(""))
    );
    // Nothing was minted, and the config folder waits for a later launch.
    let tokens = bed.get(&format!("/workspaces/{id}/tokens")).await;
    assert_eq!(tokens["count"], 0);
    assert!(bed.app().paths.configs(id).join("config.yaml").is_file());
    assert!(!bed.app().paths.configs(id).join(".auth_token").exists());
    let described: String = bed
        .app()
        .store
        .read(move |conn| {
            Ok(conn.query_row(
                "SELECT data FROM workspace_config WHERE workspace_id = ?1",
                [id.to_string()],
                |row| row.get(0),
            )?)
        })
        .await
        .unwrap();
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(
        described,
        json!({"name": "Coder", "runtime": "claude-code", "tier": 3, "template": "no-such-template"})
    );
}

#[tokio::test]
async fn missing_variables_are_named_and_a_secret_brings_the_agent_up() {
    let bed = Bed::new().await;
    let folder = bed.home.path().join("data/templates/workspaces/needy");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("config.yaml"),
        "name: Needy\nruntime: local\nruntime_config:\n  required_env: [A_KEY, B_KEY]\n",
    )
    .unwrap();
    let mut heard = bed.listen();
    let id = bed.create(json!({"name": "Needy", "template": "needy", "secrets": {"A_KEY": "1"}})).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    assert_eq!(event.envelope.payload.fields()["missing"], json!(["B_KEY"]));
    assert!(event.envelope.payload.fields()["error"].as_str().unwrap().contains("B_KEY"));
    let (status, body) =
        bed.ask(Method::PUT, &format!("/workspaces/{id}/secrets"), json!({"key": "B_KEY", "value": "2"})).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    bed.until("the agent runs", || async { bed.row(id).await["url"] == "http://127.0.0.1:41234" }).await;
    assert!(crate::bed::environment(bed.pid(id)).contains(&"B_KEY=2".to_owned()));
}

#[tokio::test]
async fn o1_s124_external_workspaces() {
    let bed = Bed::new().await;
    let mut heard = bed.listen();
    let body = json!({"name": "Mine", "runtime": "external"});
    let (status, answer) = bed.ask(Method::POST, "/workspaces", body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    assert_eq!((answer["external"].as_bool(), answer["status"].as_str()), (Some(true), Some("awaiting_agent")));
    let connection = &answer["connection"];
    let mut keys: Vec<&String> = connection.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "a2a_sdk_snippet",
            "auth_token",
            "claude_code_channel_snippet",
            "curl_register_template",
            "heartbeat_endpoint",
            "platform_url",
            "python_snippet",
            "registry_endpoint",
            "universal_mcp_snippet",
            "workspace_id"
        ]
    );
    assert_eq!(connection["platform_url"].as_str(), Some(bed.app().endpoint.url().as_str()));
    let id: molecule_model::WorkspaceId = answer["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(bed.row(id).await["delivery_mode"], "poll");
    assert!(!bed.app().paths.workspace(id).exists(), "an external workspace has no folder");
    let events: Vec<&str> = heard.so_far().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(events, ["WORKSPACE_PROVISIONING", "WORKSPACE_AWAITING_AGENT"]);
    // The token in the answer is good.
    let token = connection["auth_token"].as_str().unwrap();
    let (status, _) = bed.ask_as(Some(token), Method::GET, &format!("/workspaces/{id}/state"), Value::Null).await;
    assert_eq!(status, StatusCode::OK);

    let body = json!({"name": "Reached", "external": true, "runtime": "hermes", "url": "http://127.0.0.1:9000"});
    let (_, answer) = bed.ask(Method::POST, "/workspaces", body).await;
    let id = answer["id"].as_str().unwrap();
    assert_eq!(answer, json!({"id": id, "external": true, "status": "online"}));
    let row = bed.row(id.parse().unwrap()).await;
    assert_eq!(
        (row["runtime"].as_str(), row["url"].as_str(), row["delivery_mode"].as_str()),
        (Some("external"), Some("http://127.0.0.1:9000"), Some("push"))
    );
}

#[tokio::test]
async fn r84_older_screens_are_told_in_development() {
    let bed = Bed::with(crate::bed::WELL_BEHAVED, |config| config.development = true).await;
    let mut heard = bed.listen();
    bed.create(json!({"name": "Mine", "external": true})).await;
    let events: Vec<&str> = heard.so_far().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(events, ["WORKSPACE_PROVISIONING", "WORKSPACE_AWAITING_AGENT", "WORKSPACE_OFFLINE"]);
}

#[tokio::test]
async fn r86_children_are_placed_in_their_parent_and_told_relative_to_it() {
    let bed = Bed::new().await;
    let parent = bed.create(json!({"name": "Lead", "external": true, "canvas": {"x": 1000, "y": 500}})).await;
    let mut heard = bed.listen();
    let child =
        bed.create(json!({"name": "One", "external": true, "parent_id": parent, "canvas": {"x": 0, "y": 0}})).await;
    let event = heard.next(&[EventKind::WorkspaceProvisioning]).await;
    assert_eq!(
        event.envelope.payload.fields(),
        json!({"name": "One", "tier": 3, "runtime": "external", "x": 16.0, "y": 130.0, "parent_id": parent})
    );
    let second = bed.create(json!({"name": "Two", "external": true, "parent_id": parent})).await;
    let place = |row: &Value| (row["x"].as_f64().unwrap(), row["y"].as_f64().unwrap());
    assert_eq!(place(&bed.row(child).await), (1016.0, 630.0));
    assert_eq!(place(&bed.row(second).await), (1270.0, 630.0));
}
