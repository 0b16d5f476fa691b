//! Stopping a turn: at once, and with everything that it has out.

use std::time::{Duration, Instant};

use serde_json::json;

use super::bench::{ID, Setup, message, words};
use crate::testing::{ModelStub, Reply, Wire};

const ADA: &str = "00000000-0000-4000-8000-00000000000a";

#[tokio::test]
async fn a_talking_model_is_hung_up_on() {
    for wire in [Wire::Anthropic, Wire::OpenAi] {
        let stub =
            ModelStub::start(wire, None, |_| Reply::Slowly(vec!["word ".into(); 1000], Duration::from_millis(20)))
                .await;
        let mut setup = Setup::with_model(&stub);
        if wire == Wire::OpenAi {
            setup.set("MODEL", "stub-model");
            setup.set("OPENAI_BASE_URL", &stub.base_url());
        }
        let bench = setup.start().await;
        let mut watching = bench.stream("message/stream", message("m", "talk")).await;
        while watching.next().await.unwrap()["kind"] != "artifact-update" {}
        let started = Instant::now();
        let canceled = bench.call("tasks/cancel", json!({"id": "m"})).await;
        assert_eq!(canceled["result"]["status"]["state"], "canceled", "{wire:?}");
        let rest = watching.rest().await;
        let last = rest.last().unwrap();
        assert_eq!((&last["status"]["state"], &last["final"]), (&json!("canceled"), &json!(true)));
        assert!(last["status"]["message"]["parts"][0]["text"].as_str().unwrap().starts_with("word "));
        assert!(started.elapsed() < Duration::from_secs(1), "{wire:?}: {:?}", started.elapsed());
        let twice = bench.call("tasks/cancel", json!({"id": "m"})).await;
        assert_eq!(twice["error"]["code"], -32002);
        assert!(words(&rest).len() < 1000);
    }
}

#[tokio::test]
async fn colleagues_are_told_and_the_person_is_no_longer_asked() {
    let stub = ModelStub::in_order(
        Wire::Anthropic,
        [Reply::Call(
            String::new(),
            vec![
                ("delegate_task".into(), json!({"workspace_id": "Ada", "task": "for ever"})),
                ("ask_approval".into(), json!({"action": "go on"})),
            ],
        )],
    )
    .await;
    let bench = Setup::with_model(&stub).start().await;
    bench.platform.peers(ID, &[(ADA, "Ada", "", Some(ID))]);
    bench.platform.on_message(|letter| async move {
        if letter.body["method"] == "message/send" {
            std::future::pending::<()>().await;
        }
        (200, json!({"jsonrpc": "2.0", "id": 1, "result": {}}))
    });
    let sending = bench.sending("m", "go");
    let letters = bench.platform.wait_for("POST", "/approvals", 1).await;
    assert_eq!(letters[0].body["task_id"], "m");
    bench.until("m", "input-required").await;
    let asked = Instant::now();
    bench.call("tasks/cancel", json!({"id": "m"})).await;
    let answer = sending.await.unwrap();
    assert_eq!(answer["result"]["status"]["state"], "canceled", "{answer}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    bench.platform.wait_for("POST", "/decide", 1).await;
    let to_ada = bench.platform.posted("POST", "/a2a");
    let order: Vec<_> = to_ada.iter().map(|letter| letter.body["method"].as_str().unwrap()).collect();
    assert_eq!(order, ["message/send", "tasks/cancel"]);
    assert_eq!(to_ada[1].body["params"]["id"], to_ada[0].body["params"]["message"]["messageId"]);
    let decided = &bench.platform.posted("POST", "/decide")[0];
    assert!(decided.path.contains("/approvals/a-1/") && decided.body["decision"] == "denied");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_running_command_ends() {
    let stub = ModelStub::in_order(
        Wire::Anthropic,
        [Reply::call("run_command", json!({"command": "touch begun; sleep 987660"}))],
    )
    .await;
    let mut setup = Setup::with_model(&stub);
    setup.give_folder("read_write");
    let bench = setup.start().await;
    let sending = bench.sending("m", "go");
    bench.platform.wait_for("POST", "/approvals", 1).await;
    bench.platform.decide("approved", "human");
    while !bench.setup.folder().join("begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.call("tasks/cancel", json!({"id": "m"})).await;
    sending.await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let runs = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .any(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\0987660\0"));
        if !runs {
            break;
        }
        assert!(Instant::now() < deadline, "the command outlived its turn");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_end_of_the_process_is_told_to_whoever_waits() {
    let bench = Setup::with_rules("- steps: [{ask_approval: {action: 'x'}}, {reply: 'y'}]").start().await;
    let watching = bench.stream("message/stream", message("m", "go")).await;
    bench.until("m", "input-required").await;
    bench.agent.turns.end_all(Duration::from_secs(5)).await;
    let events = watching.rest().await;
    assert_eq!(events.last().unwrap()["status"]["state"], "canceled");
    assert_eq!(bench.platform.posted("POST", "/decide").len(), 1);
}
