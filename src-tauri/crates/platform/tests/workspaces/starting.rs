use std::os::unix::fs::PermissionsExt;

use molecule_model::event::EventKind;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::bed::{BROKEN, Bed, environment, is_alive, maybe_environment};

#[tokio::test]
async fn s066_s220_a_started_agent_has_its_credentials_and_nobody_elses() {
    let bed = Bed::new().await;
    let id = bed.running("Scribe").await;
    assert_eq!(bed.status(id).await, "provisioning", "a launch alone never makes it online");
    let configs = bed.app().paths.configs(id);
    for name in [".auth_token", ".platform_inbound_secret"] {
        let mode = std::fs::metadata(configs.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let variables = environment(bed.pid(id));
    let value =
        |name: &str| variables.iter().find_map(|entry| entry.strip_prefix(&format!("{name}="))).map(str::to_owned);
    assert_eq!(value("WORKSPACE_ID").as_deref(), Some(id.to_string().as_str()));
    let base = value("PLATFORM_URL").unwrap();
    assert!(base.starts_with(&bed.url("/as/")), "{base}");
    // The base URL acts as this workspace.
    let state = bed.http.get(format!("{base}/workspaces/{id}/state")).send().await.unwrap();
    assert_eq!(state.status(), StatusCode::OK);
    let other = bed.running("Other").await;
    let foreign = bed.http.get(format!("{base}/workspaces/{other}/state")).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::UNAUTHORIZED);
    bed.register(id).await;
    assert_eq!(bed.status(id).await, "online");
}

#[tokio::test]
async fn s078_s227_a_restart_answers_at_once_and_brings_new_credentials() {
    let bed = Bed::new().await;
    let id = bed.online("Scribe").await;
    let (pid, token) = (bed.pid(id), bed.token(id));
    let mut heard = bed.listen();
    let (status, body) = bed.post(&format!("/workspaces/{id}/restart?reset=true")).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"status": "provisioning", "config_dir": "existing-volume", "reset_session": true}))
    );
    let event = heard.next(&[EventKind::WorkspaceProvisioning]).await;
    assert_eq!(event.envelope.payload.fields(), json!({"name": "Scribe", "tier": 3, "runtime": "local"}));
    bed.until("another process", || async { bed.app().paths.run_state(id).exists() && bed.pid(id) != pid }).await;
    bed.until_launched(id).await;
    assert!(!is_alive(pid));
    assert_ne!(bed.token(id), token);
    let state = format!("/workspaces/{id}/state");
    assert_eq!(
        bed.ask_as(Some(&token), Method::GET, &state, json!(null)).await.0,
        StatusCode::UNAUTHORIZED,
        "the old token is dead"
    );
    bed.register(id).await;
    assert_eq!(bed.status(id).await, "online");
}

#[tokio::test]
async fn a_restart_keeps_edits_unless_a_template_is_asked_for() {
    let bed = Bed::new().await;
    let id = bed.running("Local Reviewer").await;
    let config = bed.app().paths.configs(id).join("config.yaml");
    std::fs::write(&config, "name: mine\nruntime: local\n").unwrap();
    let restart = format!("/workspaces/{id}/restart");
    for (body, label, kept) in [
        (json!({}), "existing-volume", true),
        (json!({"template": "../x"}), "existing-volume", true),
        (json!({"template": "local-assistant"}), "local-assistant", false),
        (json!({"apply_template": true}), "local-reviewer", false),
    ] {
        std::fs::write(&config, "name: mine\nruntime: local\n").unwrap();
        let (status, answer) = bed.ask(Method::POST, &restart, body.clone()).await;
        assert_eq!((status, answer["config_dir"].as_str()), (StatusCode::OK, Some(label)), "{body}");
        bed.until_launched(id).await;
        assert_eq!(std::fs::read_to_string(&config).unwrap() == "name: mine\nruntime: local\n", kept, "{body}");
    }
}

#[tokio::test]
async fn r91_an_external_restart_changes_nothing_and_screens_are_corrected() {
    let bed = Bed::new().await;
    let (_, made) = bed.ask(Method::POST, "/workspaces", json!({"name": "Mine", "external": true})).await;
    let id = made["id"].as_str().unwrap();
    let mut heard = bed.listen();
    let (status, body) = bed.post(&format!("/workspaces/{id}/restart")).await;
    assert_eq!(
        (status, body["status"].as_str(), body["runtime"].as_str()),
        (StatusCode::OK, Some("noop"), Some("external"))
    );
    let event = heard.next(&[EventKind::WorkspaceOffline]).await;
    assert_eq!(event.envelope.seq, None);
    let token = made["connection"]["auth_token"].as_str().unwrap();
    let (status, _) = bed.ask_as(Some(token), Method::GET, &format!("/workspaces/{id}/state"), json!(null)).await;
    assert_eq!(status, StatusCode::OK, "the operator's token lives on");
}

#[tokio::test]
async fn restarts_that_cannot_be() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Coder"})).await;
    bed.until_status(id, "failed").await;
    let (status, body) = bed.post(&format!("/workspaces/{id}/restart")).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("provisioner not available")));
    assert_eq!(bed.status(id).await, "failed", "nothing was touched");
    let root = bed.create(json!({"name": "Root", "external": true})).await;
    let child = bed.create(json!({"name": "Child", "runtime": "local", "parent_id": root})).await;
    bed.until_launched(child).await;
    bed.post(&format!("/workspaces/{root}/pause")).await;
    let (status, body) = bed.post(&format!("/workspaces/{child}/restart")).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (StatusCode::CONFLICT, Some("parent workspace \"Root\" is paused — resume it first"))
    );
}

#[tokio::test]
async fn a_start_that_fails_takes_back_what_it_minted() {
    let bed = Bed::with(BROKEN, |_| {}).await;
    let mut heard = bed.listen();
    let id = bed.create(json!({"name": "Scribe", "runtime": "local"})).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    let payload = event.envelope.payload.fields();
    let text = payload["error"].as_str().unwrap();
    assert!(text.starts_with("workspace start failed") && !text.contains("boom"), "{text}");
    assert_eq!(bed.get(&format!("/workspaces/{id}/tokens")).await["count"], 0);
    assert!(!bed.app().paths.configs(id).join(".auth_token").exists());
    assert_eq!(bed.row(id).await["url"], "");
    assert_eq!(bed.get(&format!("/workspaces/{id}/console")).await["output"], "boom\n");
}

#[tokio::test]
async fn a_wiped_folder_without_a_template_says_so() {
    let bed = Bed::new().await;
    let id = bed.running("Scribe").await;
    std::fs::remove_file(bed.app().paths.configs(id).join("config.yaml")).unwrap();
    let mut heard = bed.listen();
    bed.post(&format!("/workspaces/{id}/restart")).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    let payload = event.envelope.payload.fields();
    let text = payload["error"].as_str().unwrap();
    assert!(text.contains(&id.to_string()) && text.contains("config.yaml"), "{text}");
}

#[tokio::test]
async fn s229_many_secrets_are_few_restarts() {
    let bed = Bed::new().await;
    let id = bed.online("Scribe").await;
    let mut heard = bed.listen();
    let path = format!("/workspaces/{id}/secrets");
    for n in 0..6 {
        let (status, _) = bed.ask(Method::PUT, &path, json!({"key": format!("KEY_{n}"), "value": "v"})).await;
        assert_eq!(status, StatusCode::OK);
    }
    // Whoever comes up registers, as an agent does; the last one sees every secret.
    bed.until("the last secret has arrived", || async {
        let pid = bed.maybe_pid(id);
        if bed.status(id).await == "provisioning" && bed.row(id).await["url"] != "" {
            bed.register(id).await;
        }
        let variables = pid.filter(|pid| is_alive(*pid)).and_then(|pid| maybe_environment(pid).ok());
        variables.is_some_and(|variables| variables.contains(&"KEY_5=v".to_owned()))
    })
    .await;
    let restarts = heard.so_far().into_iter().filter(|(kind, _)| *kind == "WORKSPACE_PROVISIONING").count();
    assert!((1..=4).contains(&restarts), "{restarts} restarts for six secrets");
}

#[tokio::test]
async fn s229_a_secret_that_comes_during_a_start_waits_until_the_agent_is_up() {
    let bed = Bed::new().await;
    let id = bed.running("Scribe").await;
    let mut heard = bed.listen();
    let (status, _) =
        bed.ask(Method::PUT, &format!("/workspaces/{id}/secrets"), json!({"key": "KEY", "value": "v"})).await;
    assert_eq!(status, StatusCode::OK);
    // A restart that does not wait would begin meanwhile.
    for _ in 0..10 {
        assert_eq!(bed.status(id).await, "provisioning");
    }
    bed.register(id).await;
    let both = [EventKind::WorkspaceOnline, EventKind::WorkspaceProvisioning];
    assert_eq!(heard.next(&both).await.kind, EventKind::WorkspaceOnline, "the start was cut off");
    assert_eq!(heard.next(&both).await.kind, EventKind::WorkspaceProvisioning);
    bed.until("the secret has arrived", || async {
        let variables = bed.maybe_pid(id).and_then(|pid| maybe_environment(pid).ok());
        variables.is_some_and(|variables| variables.contains(&"KEY=v".to_owned()))
    })
    .await;
}
