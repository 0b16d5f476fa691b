//! R5: a step of the recovery that hangs is named by `/health`, quickly, and everything else works.

use std::time::Duration;

use serde_json::json;

use super::bed::{local, say, told_the_truth, until};
use super::puppet::Puppet;
use crate::support::{TestServer, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn target_r5_a_recovery_step_that_hangs_is_named_and_the_rest_works() {
    let mut server = TestServer::development().await;
    let port = server.port();
    let before = Puppet::push(&server, "Before").await;
    until(&server, &before.id, "online").await;
    for step in ["agents", "messages"] {
        server.stop();
        server.restart_with("MOLECULE_TEST_HANGING_STEP", step).await;
        server.restart_on_the_same_port(port).await;
        // Of several tries one is not held up by whatever else this machine does.
        eventually("an answer of /health in under a second that names the step", || async {
            let asked = server.anonymous();
            match tokio::time::timeout(Duration::from_secs(1), asked.get("/health")).await {
                Ok(answer) if answer.expect(200)["recovering"] == json!([step]) => Ok(()),
                Ok(answer) => Err(answer.text()),
                Err(_) => Err("no answer within a second".to_owned()),
            }
        })
        .await;
        let id = local(&server, &format!("Made while {step} hangs"), 0).await;
        let answer = say(&server.admin(), &id, &format!("{step}-1")).await;
        answer.expect(200);
        told_the_truth(&server, &id, &format!("{step}-1"), &answer).await;
        until(&server, &before.id, "online").await;
        say(&server.admin(), &before.id, &format!("{step}-2")).await.expect(200);
        server.admin().get("/admin/liveness").await.expect(200);
    }
    assert!(server.log().contains("this recovery step hangs"), "the hook is not silent");
}

/// The hook is for development alone.
#[tokio::test]
async fn target_r5_the_hook_does_nothing_outside_development() {
    let server = TestServer::builder().env("MOLECULE_TEST_HANGING_STEP", "agents").start().await;
    eventually("the recovery to end", || async {
        let health = server.anonymous().get("/health").await.expect(200);
        if health.get("recovering").is_none() { Ok(()) } else { Err(health["recovering"].to_string()) }
    })
    .await;
}
