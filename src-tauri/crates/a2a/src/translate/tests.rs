use serde_json::{Value, json};

use super::{answer, event, request};
use crate::{method::Method, version::Dialect};

/// The request translated, and translated back.
fn there_and_back(body: &Value) -> (Value, Value) {
    let (_, from) = Method::parse(body["method"].as_str().unwrap()).unwrap();
    let there = request(body.to_string().as_bytes(), super::object::other(from)).unwrap();
    let back = request(&there.bytes, from).unwrap();
    (read(&there.bytes), read(&back.bytes))
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn answered(method: Method, to: Dialect, result: Value) -> Option<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
    Some(read(&answer(body.as_bytes(), method, to)?)["result"].take())
}

#[test]
fn r18_send_becomes_send_message() {
    let body = json!({
        "jsonrpc": "2.0", "id": "r", "method": "message/send",
        "params": {
            "message": {
                "kind": "message", "role": "user", "messageId": "m", "contextId": "c", "mood": "calm",
                "parts": [
                    {"kind": "text", "text": "look"},
                    {"kind": "file", "file": {"name": "a.png", "mimeType": "image/png", "uri": "workspace:/a.png", "size": 7}},
                    {"kind": "file", "file": {"bytes": "AA=="}, "metadata": {"k": 1}},
                    {"kind": "data", "data": {"x": 1}},
                    {"kind": "hologram", "beam": 1},
                ],
                "metadata": {"delegation_id": "d"},
            },
            "configuration": {
                "blocking": false, "historyLength": 3, "acceptedOutputModes": ["text/plain"],
                "pushNotificationConfig": {"url": "u", "authentication": {"schemes": ["Bearer"], "credentials": "x"}},
            },
            "metadata": {"parent_task_id": "p"},
        },
    });
    let (there, back) = there_and_back(&body);
    insta::assert_json_snapshot!(there);
    assert_eq!(back, body);
}

#[test]
fn r18_send_message_becomes_send() {
    let body = json!({
        "jsonrpc": "2.0", "id": 7, "method": "SendStreamingMessage",
        "params": {
            "tenant": "t",
            "message": {
                "messageId": "m", "role": "ROLE_USER",
                "parts": [
                    {"text": "look", "mediaType": "text/markdown"},
                    {"url": "https://x/a", "filename": "a", "mediaType": "image/png"},
                    {"raw": "AA==", "metadata": {"file": {"size": 1}}},
                    {"data": [1, 2]},
                    {"data": null, "metadata": {"k": "v"}},
                ],
            },
            "configuration": {"returnImmediately": true, "taskPushNotificationConfig": {"url": "u", "authentication": {"scheme": "Basic"}}},
        },
    });
    let (there, back) = there_and_back(&body);
    insta::assert_json_snapshot!(there);
    assert_eq!(back, body);
}

#[test]
fn r18_v0_3_agents_are_told_to_wait_as_v1_does() {
    let sent = |params: Value| {
        let body = json!({"method": "SendMessage", "params": params});
        read(&request(body.to_string().as_bytes(), Dialect::V03).unwrap().bytes)["params"]["configuration"].take()
    };
    let message = json!({"messageId": "m", "parts": [{"text": "x"}]});
    assert_eq!(sent(json!({"message": message})), json!({"blocking": true}));
    assert_eq!(sent(json!({"message": message, "configuration": {}})), json!({"blocking": true}));
    for returns in [true, false] {
        let given = json!({"message": message, "configuration": {"returnImmediately": returns}});
        assert_eq!(sent(given), json!({"blocking": !returns}));
    }
    assert_eq!(sent(json!({"message": message, "configuration": 7})), json!(7), "what nobody knows stays");
}

#[test]
fn our_own_members_go_where_v1_allows_them() {
    let body = json!({"method": "message/send", "params": {"message": {"role": "user", "parts": []}, "expires_in_seconds": 9}});
    let there = read(&request(body.to_string().as_bytes(), Dialect::V1).unwrap().bytes);
    assert_eq!(
        there["params"],
        json!({"message": {"role": "ROLE_USER", "parts": []}, "metadata": {"expires_in_seconds": 9}})
    );

    let reply =
        json!({"kind": "message", "role": "agent", "messageId": "a", "parts": [], "usage": {"input_tokens": 1}});
    assert_eq!(
        answered(Method::Send, Dialect::V1, reply),
        Some(
            json!({"message": {"role": "ROLE_AGENT", "messageId": "a", "parts": [], "metadata": {"usage": {"input_tokens": 1}}}})
        )
    );
}

#[test]
fn r68_what_has_no_counterpart_or_is_right_already_is_left_alone() {
    for body in [
        json!({"method": "SendMessage", "params": {}}),
        json!({"method": "tasks/list", "params": {}}),
        json!({"method": "agent/getAuthenticatedExtendedCard"}),
        json!({"method": 1}),
        json!([]),
    ] {
        assert!(request(body.to_string().as_bytes(), Dialect::V1).is_none(), "{body}");
    }
    assert!(request(b"not json", Dialect::V1).is_none());

    assert!(answer(b"<html>", Method::Send, Dialect::V03).is_none());
    assert!(answer(br#"{"queued":true}"#, Method::Send, Dialect::V03).is_none());
    assert!(answer(br#"{"error":{"code":-32009,"message":"no"}}"#, Method::Send, Dialect::V03).is_none());
    for already in
        [json!({"kind": "message", "parts": []}), json!("words"), json!({"status": "completed"}), json!(null)]
    {
        assert_eq!(answered(Method::Send, Dialect::V03, already), None);
    }
    for already in [json!({"message": {"parts": []}}), json!({"kind": "weather"}), json!({"x": 1})] {
        assert_eq!(answered(Method::Send, Dialect::V1, already), None);
    }
    assert_eq!(answered(Method::GetTask, Dialect::V03, json!({"kind": "task", "id": "t"})), None);
    assert_eq!(answered(Method::GetTask, Dialect::V1, json!({"id": "t", "status": {}})), None);
}

#[test]
fn results_are_wrapped_and_unwrapped() {
    let task = json!({
        "kind": "task", "id": "t", "contextId": "c",
        "status": {"state": "input-required", "timestamp": "2025-01-01T00:00:00Z",
                   "message": {"kind": "message", "role": "agent", "messageId": "q", "parts": [{"kind": "text", "text": "which?"}]}},
        "artifacts": [{"artifactId": "a", "parts": [{"kind": "text", "text": "x"}]}],
        "history": [{"kind": "message", "role": "user", "messageId": "m", "parts": []}],
        "metadata": {"k": 1},
    });
    let wrapped = answered(Method::Send, Dialect::V1, task.clone()).unwrap();
    insta::assert_json_snapshot!(wrapped);
    assert_eq!(answered(Method::Send, Dialect::V03, wrapped.clone()), Some(task.clone()));

    let bare = answered(Method::GetTask, Dialect::V1, task.clone()).unwrap();
    assert_eq!(bare, wrapped["task"]);
    assert_eq!(answered(Method::CancelTask, Dialect::V03, bare), Some(task));
}

#[test]
fn v1_answers_that_leave_defaults_out_are_made_whole() {
    assert_eq!(
        answered(Method::Send, Dialect::V03, json!({"message": {"messageId": "a"}, "usage": {"input_tokens": 1}})),
        Some(json!({"kind": "message", "messageId": "a", "usage": {"input_tokens": 1}, "role": "agent", "parts": []}))
    );
    assert_eq!(
        answered(Method::GetTask, Dialect::V03, json!({"id": "t"})),
        Some(json!({"kind": "task", "id": "t", "contextId": "", "status": {"state": "unknown"}}))
    );
}

#[test]
fn events_are_translated_and_the_end_is_marked() {
    let translated = |result: Value, to| {
        let data = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
        event(&data, to).map(|data| serde_json::from_str::<Value>(&data).unwrap()["result"].take())
    };
    let update = |state: &str| json!({"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": state}}});
    let of = |state: &str, last: bool| json!({"kind": "status-update", "taskId": "t", "contextId": "c", "status": {"state": state}, "final": last});
    for (v1, v03, last) in [
        ("TASK_STATE_WORKING", "working", false),
        ("TASK_STATE_INPUT_REQUIRED", "input-required", false),
        ("TASK_STATE_COMPLETED", "completed", true),
        ("TASK_STATE_REJECTED", "rejected", true),
    ] {
        assert_eq!(translated(update(v1), Dialect::V03), Some(of(v03, last)));
        assert_eq!(translated(of(v03, last), Dialect::V1), Some(update(v1)));
    }
    let chunk = json!({"kind": "artifact-update", "taskId": "t", "contextId": "c", "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": "x"}]}, "append": true, "lastChunk": false});
    let wrapped = json!({"artifactUpdate": {"taskId": "t", "contextId": "c", "artifact": {"artifactId": "a", "parts": [{"text": "x"}]}, "append": true, "lastChunk": false}});
    assert_eq!(translated(chunk.clone(), Dialect::V1), Some(wrapped.clone()));
    assert_eq!(translated(wrapped, Dialect::V03), Some(chunk));
    assert_eq!(event("[DONE]", Dialect::V03), None);
}

#[test]
fn a_state_that_nobody_knows_stays() {
    let odd = json!({"task": {"id": "t", "contextId": "c", "status": {"state": "dreaming"}}});
    let v03 = answered(Method::Send, Dialect::V03, odd.clone()).unwrap();
    assert_eq!(v03["status"]["state"], "dreaming");
    assert_eq!(answered(Method::Send, Dialect::V1, v03), Some(odd));
}

#[test]
fn push_configurations_are_nested_and_flattened() {
    let set = json!({"method": "tasks/pushNotificationConfig/set", "params": {"taskId": "t", "pushNotificationConfig": {"id": "p", "url": "u", "token": "k", "authentication": {"schemes": ["Bearer"], "credentials": "c"}}}});
    let (there, back) = there_and_back(&set);
    assert_eq!(
        there,
        json!({"method": "CreateTaskPushNotificationConfig", "params": {"taskId": "t", "id": "p", "url": "u", "token": "k", "authentication": {"credentials": "c", "scheme": "Bearer"}}})
    );
    assert_eq!(back, set);

    for (v03, v1) in [("get", "GetTaskPushNotificationConfig"), ("delete", "DeleteTaskPushNotificationConfig")] {
        let body = json!({"method": format!("tasks/pushNotificationConfig/{v03}"), "params": {"id": "t", "pushNotificationConfigId": "p"}});
        let (there, back) = there_and_back(&body);
        assert_eq!(there, json!({"method": v1, "params": {"taskId": "t", "id": "p"}}));
        assert_eq!(back, body);
    }

    let one = json!({"taskId": "t", "pushNotificationConfig": {"id": "p", "url": "u"}});
    let flat = json!({"taskId": "t", "id": "p", "url": "u"});
    assert_eq!(answered(Method::GetPush, Dialect::V1, one.clone()), Some(flat.clone()));
    assert_eq!(answered(Method::SetPush, Dialect::V03, flat.clone()), Some(one.clone()));
    assert_eq!(answered(Method::ListPush, Dialect::V1, json!([one])), Some(json!({"configs": [flat]})));
    assert_eq!(answered(Method::ListPush, Dialect::V03, json!({"configs": [flat]})), Some(json!([one])));
    assert_eq!(answered(Method::ListPush, Dialect::V03, json!({})), Some(json!([])));
    assert_eq!(answered(Method::DeletePush, Dialect::V1, json!(null)), Some(json!({})));
    assert_eq!(answered(Method::DeletePush, Dialect::V03, json!({})), Some(json!(null)));
}

#[test]
fn task_parameters_stay_but_for_what_v1_lacks() {
    let params = |method: &str, to| {
        let body = json!({"method": method, "params": {"id": "t", "historyLength": 2, "metadata": {}}});
        read(&request(body.to_string().as_bytes(), to).unwrap().bytes)["params"].take()
    };
    assert_eq!(params("tasks/get", Dialect::V1), json!({"id": "t", "historyLength": 2}));
    assert_eq!(params("tasks/resubscribe", Dialect::V1), json!({"id": "t", "historyLength": 2}));
    assert_eq!(params("tasks/cancel", Dialect::V1), json!({"id": "t", "historyLength": 2, "metadata": {}}));
    assert_eq!(params("GetTask", Dialect::V03), json!({"id": "t", "historyLength": 2, "metadata": {}}));
}
