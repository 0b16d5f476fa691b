//! Registering, beating, ending, and the first prompt.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, ID, Setup};
use crate::{heartbeat, turns};

fn beat(bench: &Bench) -> CancellationToken {
    let removed = CancellationToken::new();
    tokio::spawn(heartbeat::run(
        Arc::clone(&bench.agent),
        bench.url.clone(),
        json!({"name": "Worker"}),
        removed.clone(),
    ));
    removed
}

fn refuse(bench: &Bench, path: &str, status: u16) {
    bench.platform.fix("POST", path, status, json!({"error": "no"}));
}

#[tokio::test]
async fn it_registers_until_it_is_heard_and_then_beats() {
    let bench = Setup::with_rules("- steps: [{ask_approval: {action: 'x'}}, {reply: 'y'}]").start().await;
    refuse(&bench, "/registry/register", 503);
    beat(&bench);
    bench.platform.wait_for("POST", "/registry/register", 2).await;
    assert!(bench.platform.posted("POST", "/registry/heartbeat").is_empty());
    bench.platform.fix(
        "POST",
        "/registry/register",
        200,
        json!({"status": "registered", "platform_inbound_secret": "fresh"}),
    );
    let beats = bench.platform.wait_for("POST", "/registry/heartbeat", 2).await;
    let registered = bench.platform.posted("POST", "/registry/register").pop().unwrap();
    assert_eq!((&registered.body["id"], &registered.body["url"]), (&json!(ID), &json!(bench.url)));
    assert_eq!(registered.bearer.as_deref(), Some("the-token"));
    assert_eq!(
        std::fs::read_to_string(bench.setup.configs().join(".platform_inbound_secret")).unwrap().trim(),
        "inbound"
    );
    assert_eq!((&beats[0].body["workspace_id"], &beats[0].body["active_tasks"]), (&json!(ID), &json!(0)));
    assert!(beats[0].body["runtime_metadata"]["capabilities"].is_object());

    let sending = bench.sending("m", "Write a poem");
    let told = |wanted: &'static str| {
        let platform = &bench.platform;
        async move {
            for count in 1.. {
                let beats = platform.wait_for("POST", "/registry/heartbeat", count).await;
                if beats[count - 1].body["current_task"] == wanted {
                    return beats[count - 1].body.clone();
                }
            }
            Value::Null
        }
    };
    assert_eq!(told("Waiting for you: x").await["active_tasks"], 1);
    bench.platform.decide("approved", "human");
    sending.await.unwrap();
    let (tasks, task) = bench.agent.presence.now();
    assert_eq!((tasks, task.as_str()), (0, ""));
}

#[tokio::test]
async fn beating_survives_refusals_and_ends_when_the_workspace_is_gone() {
    let bench = Setup::with_rules("[]").start().await;
    refuse(&bench, "/registry/heartbeat", 500);
    let removed = beat(&bench);
    bench.platform.wait_for("POST", "/registry/heartbeat", 3).await;
    assert!(!removed.is_cancelled());
    refuse(&bench, "/registry/heartbeat", 410);
    tokio::time::timeout(Duration::from_secs(10), removed.cancelled()).await.expect("it goes on though it was deleted");
}

#[tokio::test]
async fn a_revoked_token_makes_it_ask_whether_it_still_exists() {
    let bench = Setup::with_rules("[]").start().await;
    refuse(&bench, "/registry/heartbeat", 401);
    let removed = beat(&bench);
    bench.platform.wait_for("POST", "/registry/heartbeat", 5).await;
    assert!(!removed.is_cancelled(), "a workspace that is still there was given up");
    bench.platform.fix("GET", &format!("/workspaces/{ID}"), 410, json!({"error": "removed"}));
    tokio::time::timeout(Duration::from_secs(10), removed.cancelled()).await.expect("it goes on though it was deleted");
}

#[tokio::test]
async fn the_first_prompt_goes_through_the_platform_once() {
    let setup = Setup::new("model: rehearsal\ninitial_prompt: Look around.\n");
    let bench = setup.start().await;
    bench.platform.on_message(|_| async {
        (200, json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "parts": []}}))
    });
    bench.agent.registered.cancel();
    turns::initial(Arc::clone(&bench.agent)).await;
    let sent = bench.platform.posted("POST", &format!("/workspaces/{ID}/a2a"));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body["params"]["message"]["parts"][0]["text"], "Look around.");
    assert!(sent[0].body["params"]["message"]["messageId"].as_str().unwrap().starts_with("initial-"));
    let bench = bench.restart().await;
    bench.agent.registered.cancel();
    turns::initial(Arc::clone(&bench.agent)).await;
    assert!(bench.platform.posted("POST", "/a2a").is_empty());
}

#[tokio::test]
async fn a_failing_model_shows_in_the_error_rate_until_it_works_again() {
    let bench = Setup::new("model: anthropic:claude-x").start().await;
    bench.send("m", "hi").await;
    let failing = bench.agent.presence.beat(ID);
    assert!(failing.error_rate >= 0.5 && failing.sample_error.contains("ANTHROPIC_API_KEY"), "{failing:?}");
    std::fs::write(bench.setup.configs().join("config.yaml"), "model: rehearsal").unwrap();
    bench.send("n", "hi").await;
    assert!(bench.agent.presence.beat(ID).error_rate < 0.1);
}
