//! Launches that never register (10 §18.4, 20 §8.4, S113–S115).

use molecule_model::{WorkspaceId, event::EventKind};
use molecule_platform::provisioning::expire;
use serde_json::json;

use crate::bed::{Bed, WELL_BEHAVED};

/// Time goes by on a machine that does not sleep.
async fn pass(bed: &Bed, seconds: i64) {
    let mut left = seconds;
    while left > 0 {
        let step = left.min(30);
        bed.clock.advance(step);
        expire(bed.app()).await;
        left -= step;
    }
}

/// A row that has been starting since now, on whatever runtime.
async fn starting(bed: &Bed, name: &str, runtime: &'static str) -> WorkspaceId {
    let id = bed.running(name).await;
    let now = bed.app().now().to_string();
    let set = move |tx: &mut molecule_store::Tx<'_>| {
        let sql = "UPDATE workspaces SET runtime = ?2, updated_at = ?3 WHERE id = ?1";
        Ok(tx.execute(sql, [id.to_string(), runtime.to_owned(), now.clone()]).map(drop)?)
    };
    bed.app().store.write(set).await.unwrap();
    id
}

/// Whether a launch on `runtime` lives `limit` seconds and not a minute longer.
async fn lives(bed: &Bed, name: &str, runtime: &'static str, limit: i64) {
    let id = starting(bed, name, runtime).await;
    pass(bed, limit - 10).await;
    assert_eq!(bed.status(id).await, "provisioning", "{name}");
    let mut heard = bed.listen();
    pass(bed, 60).await;
    let event = heard.next(&[EventKind::WorkspaceProvisionFailed]).await;
    let payload = &event.envelope.payload.fields();
    assert_eq!(
        (payload["timeout_secs"].as_i64(), payload["runtime"].as_str(), payload["source"].as_str()),
        (Some(limit), Some(runtime), Some("provision_timeout_sweep")),
        "{name}"
    );
    assert_eq!(bed.status(id).await, "failed");
    // A late register still counts.
    bed.register(id).await;
    assert_eq!(bed.status(id).await, "online");
}

fn template(bed: &Bed, id: &str, runtime: &str, seconds: u32) {
    let folder = bed.home.path().join("data/templates/workspaces").join(id);
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("name: {id}\nruntime: {runtime}\nruntime_config:\n  provision_timeout_seconds: {seconds}\n");
    std::fs::write(folder.join("config.yaml"), text).unwrap();
}

#[tokio::test]
async fn s113_s114_the_runtimes_own_and_ten_minutes_for_the_rest() {
    let bed = Bed::new().await;
    lives(&bed, "Plain", "local", 600).await;
    lives(&bed, "Large", "hermes", 1_800).await;
}

#[tokio::test]
async fn s113_s115_s026_a_template_says_more_and_the_object_shows_what_the_sweep_uses() {
    let bed = Bed::new().await;
    template(&bed, "quick", "hermes", 90);
    template(&bed, "slow", "hermes", 120);
    let id = starting(&bed, "Seen", "hermes").await;
    bed.until("the templates to be read", || async { bed.row(id).await["provision_timeout_ms"] == 120_000 }).await;
    bed.ask(reqwest::Method::DELETE, &format!("/workspaces/{id}"), serde_json::Value::Null).await;
    lives(&bed, "Templated", "hermes", 120).await;
    let plain = bed.running("Plain").await;
    assert_eq!(bed.row(plain).await.get("provision_timeout_ms"), None, "absent, not null (S026)");
}

#[tokio::test]
async fn s113_the_setting_wins_over_all() {
    let adjust = |config: &mut molecule_platform::Config| {
        config.provision_timeout = Some(std::time::Duration::from_secs(45));
    };
    let bed = Bed::with(WELL_BEHAVED, adjust).await;
    template(&bed, "slow", "hermes", 900);
    lives(&bed, "Set", "hermes", 45).await;
}

#[tokio::test]
async fn done_when_9_a_launch_during_a_closed_lid_is_not_late() {
    let bed = Bed::new().await;
    let id = starting(&bed, "Dreamer", "local").await;
    pass(&bed, 300).await;
    bed.clock.advance(8 * 3_600);
    pass(&bed, 570).await;
    assert_eq!(bed.status(id).await, "provisioning");
    pass(&bed, 90).await;
    assert_eq!(bed.status(id).await, "failed");
}

/// S124: what waits for its operator has no deadline.
#[tokio::test]
async fn s124_an_external_workspace_waits_as_long_as_it_takes() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Patient", "external": true})).await;
    pass(&bed, 4_000).await;
    assert_eq!(bed.status(id).await, "awaiting_agent");
}
