//! The same message again: joined, answered from memory, or worked on anew.

use std::time::Duration;

use serde_json::json;

use super::bench::{Setup, all, message, text, words};
use crate::testing::{ModelStub, Refusal, Reply, Wire};

#[tokio::test]
async fn a_repeated_message_is_worked_on_once() {
    let stub =
        ModelStub::in_order(Wire::Anthropic, [Reply::Slowly(vec!["o".into(), "ne".into()], Duration::from_millis(50))])
            .await;
    let bench = Setup::with_model(&stub).start().await;
    let answers = all((0..5).map(|_| bench.sending("m", "hi")).collect()).await;
    let again = bench.send("m", "hi").await;
    for answer in &answers {
        assert_eq!(answer["result"], again["result"]);
    }
    assert_eq!((text(&again), stub.seen().len()), ("one", 1));
    let watched = bench.stream("message/stream", message("m", "hi")).await.rest().await;
    assert_eq!(words(&watched), "one");
    assert_eq!(watched.last().unwrap()["status"]["message"], again["result"]);
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_survives_the_process_and_so_does_the_conversation() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::say("first"), Reply::say("second")]).await;
    let bench = Setup::with_model(&stub).start().await;
    let before = bench.send("m", "hi").await;
    let bench = bench.restart().await;
    let after = bench.send("m", "hi").await;
    assert_eq!(before["result"], after["result"]);
    assert_eq!(stub.seen().len(), 1);
    assert_eq!(text(&bench.send("n", "and?").await), "second");
    let asked = stub.seen()[1].body["messages"].clone();
    assert_eq!(asked.as_array().unwrap().len(), 3, "{asked}");
    assert_eq!((&asked[0]["content"], &asked[1]["content"]), (&json!("hi"), &json!("first")));
}

#[tokio::test]
async fn what_failed_is_worked_on_anew() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::Refuse(Refusal::WrongKey), Reply::say("now")]).await;
    let bench = Setup::with_model(&stub).start().await;
    let failed = bench.send("m", "hi").await;
    assert_eq!(failed["error"]["data"]["code"], "model_key_refused");
    assert_eq!(failed["error"]["code"], -32000);
    assert_eq!(text(&bench.send("m", "hi").await), "now");
}

#[tokio::test]
async fn history_that_comes_along_replaces_what_was_kept() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::say("kept"), Reply::say("ok")]).await;
    let bench = Setup::with_model(&stub).start().await;
    bench.send("m", "old").await;
    let mut params = message("n", "now");
    params["metadata"] = json!({"history": [
        {"role": "user", "parts": [{"kind": "text", "text": "given question"}]},
        {"role": "agent", "parts": [{"type": "text", "text": "given answer"}]},
    ]});
    bench.call("message/send", params).await;
    let asked = stub.seen()[1].body["messages"].to_string();
    assert!(asked.contains("given question") && asked.contains("given answer") && !asked.contains("old"), "{asked}");
}

#[tokio::test]
async fn many_turns_do_not_pile_up() {
    let bench = Setup::with_rules("- steps: [{reply: 'x'}]").start().await;
    for at in 0..130 {
        bench.send(&format!("m{at}"), "hi").await;
    }
    let gone = bench.call("tasks/get", json!({"id": "m0"})).await;
    assert_eq!(gone["error"]["code"], -32001);
    assert_eq!(bench.call("tasks/get", json!({"id": "m129"})).await["result"]["status"]["state"], "completed");
}
