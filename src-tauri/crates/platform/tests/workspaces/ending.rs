use molecule_model::event::EventKind;
use molecule_platform::{provisioning, registry::sweep_once};
use serde_json::json;

use crate::bed::{Bed, SHORT_LIVED, is_alive, kill};

#[tokio::test]
async fn a_killed_agent_is_seen_at_once_and_comes_back() {
    let bed = Bed::new().await;
    let id = bed.online("Scribe").await;
    let pid = bed.pid(id);
    let mut heard = bed.listen();
    kill(pid);
    let event = heard.next(&[EventKind::WorkspaceOffline]).await;
    assert_eq!((event.workspace, event.envelope.payload.fields()), (Some(id), json!({})));
    let event = heard.next(&[EventKind::WorkspaceProvisioning]).await;
    assert_eq!(event.workspace, Some(id));
    bed.until_launched(id).await;
    assert_ne!(bed.pid(id), pid);
    bed.register(id).await;
    assert_eq!(bed.status(id).await, "online");
}

#[tokio::test]
async fn an_end_that_nobody_told_of_is_found_by_the_sweep() {
    let bed = Bed::new().await;
    let id = bed.online("Scribe").await;
    let mut heard = bed.listen();
    // An end that was asked for is no crash, and nobody wrote the status that belongs to it.
    drop(provisioning::stop(bed.app(), id).await.unwrap());
    assert_eq!(bed.status(id).await, "online");
    sweep_once(bed.app()).await;
    assert_eq!(heard.next(&[EventKind::WorkspaceOffline]).await.workspace, Some(id));
    assert_eq!(heard.next(&[EventKind::WorkspaceProvisioning]).await.workspace, Some(id));
    bed.until_launched(id).await;
}

#[tokio::test]
async fn s033_an_agent_that_never_registers_is_given_up_after_five_tries() {
    let bed = Bed::with(SHORT_LIVED, |_| {}).await;
    let mut heard = bed.listen();
    let id = bed.create(json!({"name": "Moth", "runtime": "local"})).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    let payload = event.envelope.payload.fields();
    let text = payload["error"].as_str().unwrap();
    assert!(text.contains("five times in a row") && !text.contains("giving up"), "{text}");
    let row = bed.row(id).await;
    assert_eq!((row["status"].as_str(), row["last_sample_error"].as_str()), (Some("failed"), Some(text)));
}

/// Fails once where it finds a file that says so.
const STUMBLES: &str = r#"rm "$WORKSPACE_CONFIG_PATH/stumble" 2>/dev/null && exit 7
echo '{"listening":"http://127.0.0.1:41234"}'; while read -r line; do :; done"#;

/// Nobody asked for the start of an agent that was found dead, so nobody is there to ask again when it fails.
#[tokio::test]
async fn s123_what_was_found_dead_is_started_until_it_runs() {
    let bed = Bed::with(STUMBLES, |_| {}).await;
    bed.app().provisioning.set_first_pause(1);
    let id = bed.online("Scribe").await;
    let pid = bed.pid(id);
    let file = bed.app().paths.configs(id).join("stumble");
    std::fs::write(&file, "").unwrap();
    molecule_platform::registry::process_gone(bed.app(), id).await;
    bed.until("another process", || async { bed.maybe_pid(id).is_some_and(|now| now != pid) }).await;
    bed.until_launched(id).await;
    assert!(!file.exists(), "the first start failed");
    bed.register(id).await;
    assert_eq!(bed.status(id).await, "online");
}

#[tokio::test]
async fn after_a_stop_of_the_server_everything_comes_back() {
    let mut bed = Bed::new().await;
    let root = bed.online("Root").await;
    let child = bed.create(json!({"name": "Child", "runtime": "local", "parent_id": root})).await;
    bed.until_launched(child).await;
    let paused = bed.online("Paused").await;
    bed.post(&format!("/workspaces/{paused}/pause")).await;
    let (pids, token) = ([bed.pid(root), bed.pid(child)], bed.token(root));
    bed.stop().await;
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "agents end with their server");
    bed.start().await;
    bed.until_launched(root).await;
    bed.until_launched(child).await;
    assert_ne!(bed.token(root), token);
    bed.register(root).await;
    assert_eq!((bed.status(root).await, bed.status(paused).await), ("online".to_owned(), "paused".to_owned()));
}

#[tokio::test]
async fn what_was_cut_off_leaves_no_folder() {
    let mut bed = Bed::new().await;
    let id = bed.running("Scribe").await;
    bed.stop().await;
    let orphan = bed.home.path().join("data/workspaces/7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11");
    std::fs::create_dir_all(orphan.join("configs")).unwrap();
    bed.start().await;
    assert!(!orphan.exists());
    assert!(bed.app().paths.configs(id).join("config.yaml").exists());
}

#[tokio::test]
async fn r58_an_agent_that_registered_itself_is_left_alone() {
    let mut bed = Bed::with(crate::bed::WELL_BEHAVED, |config| config.development = true).await;
    let id = bed.create(json!({"name": "Coder"})).await;
    bed.until_status(id, "failed").await;
    let body = json!({"id": id, "url": "http://127.0.0.1:9", "agent_card": {"name": "c"}});
    let (status, answer) = bed.ask_as(None, reqwest::Method::POST, "/registry/register", body).await;
    assert!(status.is_success(), "{answer}");
    assert_eq!(bed.status(id).await, "online");
    assert_eq!(
        molecule_platform::provisioning::instance_state(bed.app(), id).await,
        molecule_platform::provisioning::Instance::NotOurs
    );
    bed.stop().await;
    bed.start().await;
    assert_eq!(
        (bed.status(id).await.as_str(), bed.row(id).await["url"].as_str()),
        ("online", Some("http://127.0.0.1:9"))
    );
}
