use serde_json::{Value, json};

use super::*;

fn wire<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

fn same<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), *value);
}

#[test]
fn shape_of_a_message() {
    let message = Message::agent("m1", "hello").within("c1", "t1").with_metadata("tool_trace", json!([{"tool": "x"}]));
    insta::assert_snapshot!(wire(&message), @r#"{"kind":"message","role":"agent","messageId":"m1","parts":[{"kind":"text","text":"hello"}],"contextId":"c1","taskId":"t1","metadata":{"tool_trace":[{"tool":"x"}]}}"#);
}

#[test]
fn shape_of_parts() {
    let parts = [
        Part::text("t"),
        Part::file("workspace:/workspace/a.png", Some("a.png".into()), Some("image/png".into())),
        Part::data(json!({"type": "tool_call"})),
    ];
    insta::assert_snapshot!(wire(&parts), @r#"[{"kind":"text","text":"t"},{"kind":"file","file":{"name":"a.png","mimeType":"image/png","uri":"workspace:/workspace/a.png"}},{"kind":"data","data":{"type":"tool_call"}}]"#);
}

#[test]
fn shape_of_a_stream() {
    let events = [
        Event::Task(Task::new("t", "c", TaskStatus::new(TaskState::Submitted))),
        Event::Artifact(ArtifactUpdate {
            task_id: "t".into(),
            context_id: "c".into(),
            artifact: Artifact::new("reply", vec![Part::text("Hel")]),
            ..ArtifactUpdate::default()
        }),
        Event::Status(StatusUpdate {
            task_id: "t".into(),
            context_id: "c".into(),
            status: TaskStatus::new(TaskState::InputRequired),
            last: true,
            ..StatusUpdate::default()
        }),
    ];
    insta::assert_snapshot!(wire(&events[0]), @r#"{"kind":"task","id":"t","contextId":"c","status":{"state":"submitted"}}"#);
    insta::assert_snapshot!(wire(&events[1]), @r#"{"kind":"artifact-update","taskId":"t","contextId":"c","artifact":{"artifactId":"reply","parts":[{"kind":"text","text":"Hel"}]},"append":false,"lastChunk":false}"#);
    insta::assert_snapshot!(wire(&events[2]), @r#"{"kind":"status-update","taskId":"t","contextId":"c","status":{"state":"input-required"},"final":true}"#);
    for event in events {
        assert_eq!(serde_json::from_str::<Event>(&wire(&event)).unwrap(), event);
    }
}

#[test]
fn members_that_we_do_not_know_are_kept() {
    same::<SendParams>(&json!({
        "message": {
            "kind": "message", "role": "user", "messageId": "m", "mood": 1,
            "parts": [
                {"kind": "text", "text": "a", "metadata": {"k": 1}, "lang": "de"},
                {"kind": "file", "file": {"name": "n", "bytes": "AA==", "size": 3}, "pinned": true},
                {"kind": "data", "data": [1, null], "schema": "s"},
                {"kind": "hologram", "beam": [1]},
            ],
        },
        "configuration": {"blocking": false},
        "expires_in_seconds": 900,
    }));
    same::<Task>(&json!({
        "kind": "task", "id": "t", "contextId": "c", "colour": "red",
        "status": {"state": "working", "progress": 0.5},
        "artifacts": [{"artifactId": "a", "parts": [], "extensions": ["x"]}],
        "history": [],
    }));
    same::<TaskParams>(&json!({"id": "t", "historyLength": 0, "metadata": {}}));
}

#[test]
fn parts_are_read_by_kind_by_type_and_by_content() {
    let read = |value: Value| serde_json::from_value::<Part>(value);
    for text in [
        json!({"kind": "text", "text": "x"}),
        json!({"type": "text", "text": "x"}),
        json!({"kind": "text", "type": "text", "text": "x"}),
        json!({"text": "x"}),
    ] {
        assert_eq!(read(text).unwrap(), Part::text("x"));
    }
    assert_eq!(read(json!({"data": {"a": 1}})).unwrap(), Part::data(json!({"a": 1})));
    assert_eq!(read(json!({"type": "file", "file": {"uri": "u"}})).unwrap(), Part::file("u", None, None));
    assert!(matches!(read(json!({"raw": "AA=="})).unwrap(), Part::Other(_)));
}

#[test]
fn a_part_without_its_content_is_refused_with_the_name_of_the_field() {
    let error = |value: Value| serde_json::from_value::<Part>(value).unwrap_err().to_string();
    assert!(error(json!({"kind": "text"})).contains("field text"));
    assert!(error(json!({"type": "data", "text": "x"})).contains("field data"));
    assert!(error(json!({"kind": "text", "text": 1})).contains("must be a string"));
    assert!(
        serde_json::from_value::<Part>(json!({"kind": "file", "file": {"name": "neither uri nor bytes"}})).is_err()
    );
}

#[test]
fn roles_and_states_of_both_dialects_are_read() {
    let role = |name: Value| serde_json::from_value::<Role>(name).unwrap();
    assert_eq!([role(json!("agent")), role(json!("ROLE_AGENT"))], [Role::Agent; 2]);
    assert_eq!([role(json!("user")), role(json!("ROLE_USER")), role(json!(null))], [Role::User; 3]);
    for state in TaskState::ALL {
        assert_eq!(TaskState::parse(state.v03()), Some(state));
        assert_eq!(TaskState::parse(state.v1()), Some(state));
        assert_eq!(wire(&state), format!("\"{}\"", state.v03()));
    }
    assert_eq!(TaskState::parse("TASK_STATE_CANCELLED"), Some(TaskState::Canceled));
    assert_eq!(TaskState::parse("paused"), None);
}

#[test]
fn events_are_told_apart_by_kind_by_wrapper_and_by_members() {
    let kind = |value: Value| match serde_json::from_value::<Event>(value).unwrap() {
        Event::Message(_) => "message",
        Event::Task(_) => "task",
        Event::Status(_) => "status",
        Event::Artifact(_) => "artifact",
    };
    assert_eq!(kind(json!({"message": {"parts": [{"text": "x"}]}})), "message");
    assert_eq!(kind(json!({"task": {"id": "t", "status": {"state": "TASK_STATE_WORKING"}}})), "task");
    assert_eq!(kind(json!({"statusUpdate": {"taskId": "t", "status": {}}})), "status");
    assert_eq!(kind(json!({"artifactUpdate": {"taskId": "t", "artifact": {}}})), "artifact");
    assert_eq!(kind(json!({"role": "agent", "parts": []})), "message");
    assert_eq!(kind(json!({"id": "t", "status": {"state": "completed"}})), "task");
    assert_eq!(kind(json!({"taskId": "t", "status": {}})), "status");
    assert_eq!(kind(json!({"taskId": "t", "artifact": {}})), "artifact");
    assert!(serde_json::from_value::<Event>(json!({"kind": "weather"})).is_err());
    assert!(serde_json::from_value::<Event>(json!({})).is_err());
}

#[test]
fn the_last_event_is_known() {
    let read = |value: Value| serde_json::from_value::<Event>(value).unwrap().is_last();
    assert!(read(json!({"kind": "message", "parts": []})));
    assert!(read(json!({"kind": "status-update", "status": {"state": "input-required"}, "final": true})));
    assert!(read(json!({"statusUpdate": {"status": {"state": "TASK_STATE_FAILED"}}})));
    assert!(!read(json!({"kind": "status-update", "status": {"state": "input-required"}, "final": false})));
    assert!(!read(json!({"kind": "task", "status": {"state": "submitted"}})));
}
