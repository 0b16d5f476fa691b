//! What whoever watches a turn is told, and when.

use serde_json::{Value, json};

use super::bench::{Setup, message, shown, text, words};
use crate::testing::{ModelStub, Reply, Wire};

fn states(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["status"]["state"].as_str()).collect()
}

#[tokio::test]
async fn a_stream_tells_a_turn_from_beginning_to_end() {
    for wire in [Wire::Anthropic, Wire::OpenAi] {
        let replies = [
            Reply::Call(
                "Looking.".into(),
                vec![("recall_memory".into(), json!({"query": "q"})), ("list_peers".into(), json!({}))],
            ),
            Reply::call("commit_memory", json!({"content": "my token is sk-aaaaaaaaaaaaaaaaaaaa", "scope": "TEAM"})),
            Reply::say("All done."),
        ];
        let stub = ModelStub::in_order(wire, replies).await;
        let setup = match wire {
            Wire::Anthropic => Setup::with_model(&stub),
            Wire::OpenAi => {
                let mut setup = Setup::new("model: qwen3");
                setup.set("OPENAI_BASE_URL", &stub.base_url());
                setup
            }
        };
        let bench = setup.start().await;
        let events = bench.stream("message/stream", message("m", "go")).await.rest().await;
        assert_eq!(events[0]["kind"], "task");
        assert_eq!((&events[0]["id"], &events[0]["contextId"]), (&json!("m"), &json!("talk")));
        assert_eq!(events[0]["status"]["state"], "submitted");
        assert_eq!(&states(&events)[1..2], ["working"]);
        assert_eq!(words(&events), "Looking.\n\nAll done.", "{wire:?}: rounds are paragraphs");
        let pieces: Vec<&Value> = events.iter().filter(|event| event["kind"] == "artifact-update").collect();
        assert_eq!(pieces[0]["append"], false);
        assert!(pieces[1..].iter().all(|piece| piece["append"] == true && piece["artifact"]["artifactId"] == "reply"));
        let calls = shown(&events);
        let phases: Vec<(&str, &str)> =
            calls.iter().map(|call| (call["tool"].as_str().unwrap(), call["phase"].as_str().unwrap())).collect();
        assert_eq!(phases.len(), 6);
        assert_eq!(&phases[..2], [("recall_memory", "start"), ("list_peers", "start")], "{wire:?}: both at once");
        assert!(phases.contains(&("commit_memory", "end")));
        let last = events.last().unwrap();
        assert_eq!((&last["final"], &last["status"]["state"]), (&json!(true), &json!("completed")));
        let answer = &last["status"]["message"];
        assert_eq!(answer["parts"][0]["text"], "Looking.\n\nAll done.");
        assert_eq!(answer["usage"], json!({"input_tokens": 75, "output_tokens": 45}));
        let trace = answer["metadata"]["tool_trace"].as_array().unwrap();
        assert_eq!(trace.len(), 3);
        assert_eq!(trace[2]["tool"], "commit_memory");
        assert_eq!(trace[0]["text_offset"], 8);
        let sent = &bench.platform.posted("POST", "/memories")[0].body["content"];
        assert!(!sent.to_string().contains("sk-aaaa") && !trace[2].to_string().contains("sk-aaaa"), "{sent}");
        assert_eq!(stub.seen()[2].tool_results(), 3);
    }
}

#[tokio::test]
async fn whoever_comes_back_misses_nothing() {
    let bench = Setup::with_rules(
        "- steps:\n    - say: 'before'\n    - ask_approval: {action: 'go on', as: v}\n    - reply: 'after {{ v }}'",
    )
    .start()
    .await;
    let mut first = bench.stream("message/stream", message("m", "go")).await;
    let waiting = loop {
        let event = first.next().await.unwrap();
        if event["status"]["state"] == "input-required" {
            break event;
        }
    };
    let asked = &waiting["status"]["message"]["parts"][0]["data"];
    assert_eq!((&asked["type"], &asked["action"]), (&json!("approval"), &json!("go on")));
    drop(first);
    let second = bench.stream("tasks/resubscribe", json!({"id": "m"})).await;
    bench.platform.decide("approved", "human");
    let events = second.rest().await;
    assert_eq!(words(&events), "before\n\nafter approved");
    assert_eq!(events.last().unwrap()["status"]["state"], "completed");
    // Over: told once more from its beginning, and closed.
    let third = bench.stream("tasks/resubscribe", json!({"id": "m"})).await.rest().await;
    assert_eq!(words(&third), "before\n\nafter approved");
}

#[tokio::test]
async fn a_client_that_does_not_wait_asks_later() {
    let bench = Setup::with_rules("- steps: [{ask_approval: {action: 'x'}}, {reply: 'done'}]").start().await;
    let mut params = message("m", "go");
    params["configuration"] = json!({"blocking": false});
    let task = bench.call("message/send", params).await;
    assert_eq!((&task["result"]["kind"], &task["result"]["id"]), (&json!("task"), &json!("m")));
    bench.until("m", "input-required").await;
    bench.platform.decide("approved", "human");
    let done = bench.until("m", "completed").await;
    assert_eq!(done["artifacts"][0]["parts"][0]["text"], "done");
}

#[tokio::test]
async fn a_failed_turn_keeps_what_was_said_apart_from_why_it_failed() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::Cut("half an ans".into())]).await;
    let bench = Setup::with_model(&stub).start().await;
    let events = bench.stream("message/stream", message("m", "go")).await.rest().await;
    let last = &events.last().unwrap()["status"];
    assert_eq!(last["state"], "failed");
    assert_eq!(last["message"]["metadata"]["error"]["code"], "model_stream_cut");
    assert_eq!(last["message"]["metadata"]["partial_text"], "half an ans");
    assert!(last["message"]["parts"][0]["text"].as_str().unwrap().contains("broke off"));
}

#[tokio::test]
async fn a_model_that_never_ends_is_ended() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::call("list_peers", json!({}))]).await;
    let bench = Setup::with_model(&stub).start().await;
    let answer = bench.send("m", "go").await;
    assert_eq!(answer["error"]["data"]["code"], "too_many_rounds");
    assert_eq!(stub.seen().len(), 51);
}

#[tokio::test]
async fn a_broken_configuration_is_told_with_its_line() {
    let bench = Setup::with_rules("- match: '('\n  steps: []").start().await;
    let answer = bench.send("m", "go").await;
    assert_eq!(answer["error"]["data"]["code"], "config_invalid");
    assert!(answer["error"]["message"].as_str().unwrap().contains("line 6"), "{answer}");
}

#[tokio::test]
async fn v1_callers_are_answered_in_v1() {
    let bench = Setup::with_rules("- steps: [{reply: 'hi {{ message }}'}]").start().await;
    let params = json!({"message": {"role": "ROLE_USER", "messageId": "m", "parts": [{"text": "you"}]}});
    let answer = bench.call("SendMessage", params).await;
    assert_eq!(answer["result"]["message"]["parts"][0]["text"], "hi you", "{answer}");
    let v03 = bench.send("n", "me").await;
    assert_eq!(text(&v03), "hi me");
}
