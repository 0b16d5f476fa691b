use serde_json::{Value, json};

use super::{Collected, Collector};
use crate::wire::TaskState;

fn collect(results: &[Value]) -> Option<Collected> {
    collect_within(10_000, results)
}

fn collect_within(limit: usize, results: &[Value]) -> Option<Collected> {
    let mut collector = Collector::new(limit);
    for result in results {
        collector.push(&json!({"jsonrpc": "2.0", "id": "r", "result": result}).to_string());
    }
    collector.finish()
}

fn task(state: &str) -> Value {
    json!({"kind": "task", "id": "t", "contextId": "c", "status": {"state": state}})
}

fn status(state: &str, last: bool, message: Option<Value>) -> Value {
    let mut status = json!({"state": state});
    if let Some(message) = message {
        status["message"] = message;
    }
    json!({"kind": "status-update", "taskId": "t", "contextId": "c", "status": status, "final": last})
}

fn chunk(text: &str, append: bool) -> Value {
    json!({"kind": "artifact-update", "taskId": "t", "contextId": "c", "append": append, "lastChunk": false,
           "artifact": {"artifactId": "reply", "parts": [{"kind": "text", "text": text}]}})
}

fn message(text: &str) -> Value {
    json!({"kind": "message", "role": "agent", "messageId": "a", "parts": [{"kind": "text", "text": text}],
           "usage": {"input_tokens": 1, "output_tokens": 2}})
}

#[test]
fn r19_a_streamed_answer_is_stored_like_one_that_was_not() {
    let progress = json!({"kind": "message", "role": "agent", "messageId": "p", "parts": [{"kind": "data", "data": {"type": "tool_call"}}]});
    let collected = collect(&[
        task("submitted"),
        status("working", false, None),
        chunk("Hel", false),
        status("working", false, Some(progress)),
        chunk("lo", true),
        status("completed", true, Some(message("Hello"))),
    ])
    .unwrap();
    assert_eq!(collected.body, json!({"jsonrpc": "2.0", "id": "r", "result": message("Hello")}));
    assert_eq!(collected.state, Some(TaskState::Completed));
    assert!(collected.complete && !collected.failed());
    assert_eq!(collected.text().as_deref(), Some("Hello"));
}

#[test]
fn a_task_agent_leaves_its_task_with_the_pieces_put_together() {
    let collected = collect(&[
        task("submitted"),
        chunk("one ", false),
        chunk("two", true),
        json!({"kind": "artifact-update", "taskId": "t", "contextId": "c", "append": false,
               "artifact": {"artifactId": "file", "parts": [{"kind": "file", "file": {"uri": "u"}}]}}),
        status("completed", true, None),
    ])
    .unwrap();
    insta::assert_json_snapshot!(collected.body["result"], @r#"
    {
      "kind": "task",
      "id": "t",
      "contextId": "c",
      "status": {
        "state": "completed"
      },
      "artifacts": [
        {
          "artifactId": "reply",
          "parts": [
            {
              "kind": "text",
              "text": "one two"
            }
          ]
        },
        {
          "artifactId": "file",
          "parts": [
            {
              "kind": "file",
              "file": {
                "uri": "u"
              }
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_last_message_that_does_not_say_everything_does_not_stand_for_the_task() {
    for artifact in [
        json!([{"kind": "text", "text": "a long report"}]),
        json!([{"kind": "file", "file": {"uri": "u"}}]),
        json!([{"kind": "text", "text": "Done", "metadata": {"k": 1}}]),
    ] {
        let made =
            json!({"kind": "artifact-update", "taskId": "t", "artifact": {"artifactId": "x", "parts": artifact}});
        let collected = collect(&[made, status("completed", true, Some(message("Done")))]).unwrap();
        assert_eq!(collected.body["result"]["kind"], "task", "{artifact}");
        assert_eq!(collected.body["result"]["status"]["message"], message("Done"));
    }
}

#[test]
fn a_message_at_the_end_is_the_answer() {
    let lone = collect(&[message("hi")]).unwrap();
    assert_eq!((&lone.body["result"], lone.state, lone.complete), (&message("hi"), None, true));
    let after_work = collect(&[status("working", false, None), chunk("hi", false), message("hi")]).unwrap();
    assert_eq!(after_work.body["result"], message("hi"));
}

#[test]
fn a_cut_stream_leaves_what_had_come() {
    let collected = collect(&[task("working"), chunk("half an ans", false)]).unwrap();
    assert!(!collected.complete);
    assert_eq!(collected.text().as_deref(), Some("half an ans"));
    let thinking = collect(&[task("working"), status("working", false, Some(message("thinking")))]).unwrap();
    assert_eq!(thinking.body["result"]["kind"], "task", "a word in passing is no answer");
}

#[test]
fn failures_and_errors_are_told() {
    let failed = collect(&[status("failed", true, Some(message("no key")))]).unwrap();
    assert!(failed.failed());
    assert_eq!(failed.body["result"], message("no key"));
    assert!(!collect(&[status("canceled", true, None)]).unwrap().failed());

    let mut collector = Collector::new(100);
    collector.push(&json!({"id": "r", "result": task("working")}).to_string());
    assert!(!collector.is_complete());
    collector.push(r#"{"id":"r","error":{"code":-32000,"message":"no"}}"#);
    assert!(collector.is_complete());
    let collected = collector.finish().unwrap();
    assert!(collected.failed());
    assert_eq!(collected.body, json!({"jsonrpc": "2.0", "id": "r", "error": {"code": -32000, "message": "no"}}));
}

#[test]
fn a_question_ends_the_stream_where_it_says_so() {
    let ask = |last| collect(&[status("input-required", last, Some(message("which?")))]).unwrap();
    assert_eq!((ask(true).complete, ask(true).state), (true, Some(TaskState::InputRequired)));
    assert!(!ask(false).complete);
}

#[test]
fn v1_streams_stay_v1() {
    let collected = collect(&[
        json!({"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_SUBMITTED"}}}),
        json!({"artifactUpdate": {"taskId": "t", "contextId": "c", "artifact": {"artifactId": "a", "parts": [{"text": "x"}]}}}),
        json!({"artifactUpdate": {"taskId": "t", "contextId": "c", "append": true, "artifact": {"artifactId": "a", "parts": [{"text": "y"}]}}}),
        json!({"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}}}),
    ])
    .unwrap();
    assert_eq!(
        collected.body["result"],
        json!({"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"},
                        "artifacts": [{"artifactId": "a", "parts": [{"text": "xy"}]}]}})
    );
    assert!(collected.complete);
}

#[test]
fn a_later_snapshot_of_the_task_keeps_the_pieces() {
    let collected = collect(&[task("working"), chunk("x", false), task("completed")]).unwrap();
    assert_eq!(collected.text().as_deref(), Some("x"));
    assert_eq!(collected.state, Some(TaskState::Completed));
}

#[test]
fn metadata_of_updates_gathers_on_the_task() {
    let mut update = status("completed", true, None);
    update["metadata"] = json!({"b": 2});
    let mut begun = task("working");
    begun["metadata"] = json!({"a": 1});
    assert_eq!(collect(&[begun, update]).unwrap().body["result"]["metadata"], json!({"a": 1, "b": 2}));
}

#[test]
fn what_goes_over_the_limit_is_left_out_and_told() {
    let collected = collect_within(
        500,
        &[chunk("kept", false), chunk(&"x".repeat(600), true), status("completed", true, Some(message("kept")))],
    )
    .unwrap();
    assert!(collected.truncated);
    assert_eq!(collected.body["result"]["kind"], "task");
    assert_eq!(collected.text().as_deref(), Some("kept"));
}

#[test]
fn noise_counts_for_nothing() {
    let mut collector = Collector::new(100);
    for data in [
        "",
        "[DONE]",
        "null",
        "[]",
        "{}",
        r#"{"result":null}"#,
        r#"{"result":{"kind":"weather"}}"#,
        r#"{"error":null}"#,
    ] {
        collector.push(data);
    }
    assert!(!collector.is_complete());
    assert_eq!(collector.finish(), None);
}
