//! What the tools of the MCP bridge do (10 §16.3, 30 §24, O-19, R-50).

use std::{sync::Arc, time::Duration};

use axum::response::IntoResponse;
use molecule_model::{WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_platform::messaging::{self, Asked};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    agent::{Agent, reply},
    bed::{Bed, Known},
    mcp::{json_of, post},
};

/// What a tool says: its text, or its error.
async fn tool(bed: &Bed, me: &Known, name: &str, arguments: Value) -> Result<String, String> {
    let body =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
    let answer = post(bed, me, body.to_string()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    match answer.get("error") {
        Some(error) => {
            assert_eq!(error["code"], -32000, "{answer}");
            Err(error["message"].as_str().unwrap().to_owned())
        }
        None => {
            assert_eq!(answer["result"]["content"].as_array().unwrap().len(), 1);
            assert_eq!(answer["result"]["content"][0]["type"], "text");
            Ok(answer["result"]["content"][0]["text"].as_str().unwrap().to_owned())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_arguments_are_named() {
    let bed = Bed::with(|config| config.mcp_send_message = true).await;
    let a = bed.workspace("A", None).await;
    let id = a.id.to_string();
    let table = [
        ("delegate_task", json!({"task": "x"}), "workspace_id is required"),
        ("delegate_task", json!({"workspace_id": id}), "task is required"),
        ("delegate_task", json!({"workspace_id": id, "task": "x"}), "self-delegation not permitted"),
        ("delegate_task_async", json!({}), "workspace_id is required"),
        ("delegate_task_async", json!({"workspace_id": id, "task": ""}), "task is required"),
        ("delegate_task_async", json!({"workspace_id": id, "task": "x"}), "self-delegation not permitted"),
        ("check_task_status", json!({"task_id": "x"}), "workspace_id is required"),
        ("check_task_status", json!({"workspace_id": id}), "task_id is required"),
        // Of another type it is not there.
        ("check_task_status", json!({"workspace_id": id, "task_id": 5}), "task_id is required"),
        ("send_message_to_user", json!({}), "message is required"),
        ("commit_memory", json!({"scope": "TEAM"}), "content is required"),
        ("commit_memory", json!({"content": "x", "scope": "team"}), "scope must be LOCAL or TEAM"),
    ];
    for (name, arguments, text) in table {
        assert_eq!(tool(&bed, &a, name, arguments.clone()).await, Err(text.to_owned()), "{name} {arguments}");
    }
    for name in ["commit_memory", "recall_memory"] {
        let error = tool(&bed, &a, name, json!({"content": "x", "scope": "GLOBAL"})).await.unwrap_err();
        assert!(error.contains("GLOBAL scope is not permitted"), "{error}");
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_who() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    assert_eq!(tool(&bed, &lead, "list_peers", json!({})).await.unwrap(), "No peers found.");
    let a = bed.workspace("A", Some(lead.id)).await;
    let b = bed.workspace("B", Some(lead.id)).await;
    bed.sql("UPDATE workspaces SET role = NULL WHERE id = ?1", vec![b.id.to_string()]).await;
    let peers = tool(&bed, &a, "list_peers", json!(null)).await.unwrap();
    assert!(peers.starts_with("[\n  {\n    \"id\": "), "pretty: {peers}");
    // Siblings first, then the parent (10 §7.3).
    assert_eq!(
        json_of(&peers),
        json!([
            {"id": b.id, "name": "B", "role": "", "status": "provisioning", "tier": 1},
            {"id": lead.id, "name": "Lead", "role": "Lead role", "status": "provisioning", "tier": 1},
        ])
    );
    let info = tool(&bed, &a, "get_workspace_info", json!({})).await.unwrap();
    assert_eq!(
        json_of(&info),
        json!({"id": a.id, "name": "A", "role": "A role", "tier": 1, "status": "provisioning", "parent_id": lead.id})
    );
    let info = json_of(&tool(&bed, &lead, "get_workspace_info", json!({})).await.unwrap());
    assert_eq!(info.get("parent_id"), None);
    // The person may ask for one that is not there.
    for id in [WorkspaceId::random().to_string(), "nobody".to_owned()] {
        for name in ["list_peers", "get_workspace_info"] {
            let body = json!({"id": 1, "method": "tools/call", "params": {"name": name}});
            let path = format!("/workspaces/{id}/mcp");
            let answer = bed.post(&path).bearer_auth(&bed.admin).json(&body).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["error"], json!({"code": -32000, "message": "workspace not found"}), "{name} {id}");
        }
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o19_a_task_goes_through_the_one_door_and_its_reply_comes_back() {
    let bed = Bed::new().await;
    let agent = Agent::saying("forty-two").await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let stranger = bed.workspace("Stranger", Some(bed.workspace("Elsewhere", None).await.id)).await;
    let said = tool(&bed, &lead, "delegate_task", json!({"workspace_id": hand.id, "task": "compute"})).await;
    assert_eq!(said.unwrap(), "forty-two");
    let row = &bed.activity(hand.id).await[0];
    assert_eq!((&row["source_id"], &row["method"]), (&json!(lead.id), &json!("message/send")));
    // What was answered in time is no delegation.
    assert_eq!(bed.read(&format!("/workspaces/{}/delegations", lead.id)).await, json!([]));
    for name in ["delegate_task", "delegate_task_async"] {
        for target in [stranger.id.to_string(), WorkspaceId::random().to_string(), "Hand".to_owned()] {
            let error = tool(&bed, &lead, name, json!({"workspace_id": target, "task": "x"})).await.unwrap_err();
            assert_eq!(error, format!("workspace {} is not authorised to communicate with {target}", lead.id));
        }
    }
    assert_eq!(agent.got().len(), 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_every_shape_are_read() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let table = [
        (200, r#"{"error":{"code":-32000,"message":"no key"}}"#, Ok("[error] no key")),
        (200, r#"{"result":{"artifacts":[{"parts":[{"text":"made"}]}]}}"#, Ok("made")),
        (200, r#"{"result":{"message":{"parts":[{"text":"v1"}]}}}"#, Ok("v1")),
        (200, r#"{"result":{"kind":"x","n":1}}"#, Ok(r#"{"kind":"x","n":1}"#)),
        (200, "plain words", Ok("plain words")),
        (418, r#"{"error":"I am a teapot"}"#, Err("I am a teapot")),
    ];
    for (status, body, expected) in table {
        let agent = Agent::answering(status, body).await;
        let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
        let said = tool(&bed, &lead, "delegate_task", json!({"workspace_id": hand.id, "task": "x"})).await;
        assert_eq!(said, expected.map(str::to_owned).map_err(str::to_owned), "{body}");
    }
    // No more than 1 MiB, cut on a character.
    let agent = Agent::new(|_| async { format!("a{}", "é".repeat(1 << 20)).into_response() }).await;
    let hand = bed.agent("Talker", Some(lead.id), &agent.url).await;
    let said = tool(&bed, &lead, "delegate_task", json!({"workspace_id": hand.id, "task": "x"})).await.unwrap();
    assert_eq!(said.len(), (1 << 20) - 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s157_s158_a_task_in_the_background_is_found_again() {
    let bed = Bed::new().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let agent = Agent::new(move |got| {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            reply(&got, "forty-two").into_response()
        }
    })
    .await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    let text =
        tool(&bed, &lead, "delegate_task_async", json!({"workspace_id": hand.id, "task": "compute"})).await.unwrap();
    let begun = json_of(&text);
    let id = begun["task_id"].as_str().unwrap();
    assert_eq!(text, format!(r#"{{"task_id":"{id}","status":"dispatched","target_id":"{}"}}"#, hand.id));
    let sent = events.next(EventKind::DelegationSent).await;
    assert_eq!(sent.envelope.payload.fields()["delegation_id"], id);
    events.next(EventKind::DelegationStatus).await;
    let check = async |id: &str| {
        let text = tool(&bed, &lead, "check_task_status", json!({"workspace_id": hand.id, "task_id": id})).await;
        text.unwrap()
    };
    assert_eq!(json_of(&check(id).await), json!({"task_id": id, "status": "dispatched", "target_id": hand.id}));
    gate.notify_one();
    events.next(EventKind::DelegationComplete).await;
    let done = check(id).await;
    assert!(done.starts_with("{\n  \"task_id\""), "pretty: {done}");
    assert_eq!(
        json_of(&done),
        json!({"task_id": id, "status": "completed", "target_id": hand.id, "result": "forty-two"})
    );
    // The same thing over the delegation routes.
    let listed = bed.read(&format!("/workspaces/{}/delegations", lead.id)).await;
    assert_eq!((&listed[0]["delegation_id"], &listed[0]["response_preview"]), (&json!(id), &json!("forty-two")));
    // Nobody else's, no other target's, no unknown one.
    let unknown = r#"{"task_id":"t","status":"not_found","note":"task not tracked or not yet dispatched"}"#;
    assert_eq!(check("t").await, unknown);
    for (who, target) in [(&hand, hand.id), (&lead, lead.id)] {
        let text = tool(&bed, who, "check_task_status", json!({"workspace_id": target, "task_id": id})).await.unwrap();
        assert_eq!(json_of(&text)["status"], "not_found");
    }
    let text = tool(&bed, &lead, "check_task_status", json!({"workspace_id": "hand", "task_id": "t"})).await.unwrap();
    assert_eq!(text, unknown);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s158_a_failed_task_says_why() {
    let bed = Bed::new().await;
    let agent = Agent::answering(200, r#"{"error":{"code":-32000,"message":"no key"}}"#).await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    let target = json!({"workspace_id": hand.id, "task": "compute"});
    let begun = json_of(&tool(&bed, &lead, "delegate_task_async", target).await.unwrap());
    events.next(EventKind::DelegationFailed).await;
    let asked = json!({"workspace_id": hand.id, "task_id": begun["task_id"]});
    let status = json_of(&tool(&bed, &lead, "check_task_status", asked).await.unwrap());
    assert_eq!(
        status,
        json!({"task_id": begun["task_id"], "status": "failed", "target_id": hand.id, "error": "no key"})
    );
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_task_reads_sensibly_and_is_tracked() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let poller = bed.workspace_as("Poller", Some(lead.id), "external", DeliveryMode::Poll).await;
    let said = tool(&bed, &lead, "delegate_task", json!({"workspace_id": poller.id, "task": "x"})).await.unwrap();
    assert!(said.starts_with("The task is queued"), "{said}");
    let row = &bed.read(&format!("/workspaces/{}/delegations", lead.id)).await[0];
    assert_eq!(row["status"], "queued");
    let id = row["delegation_id"].as_str().unwrap();
    assert!(said.contains(id) && said.contains("check_task_status"), "{said}");
    let asked = json!({"workspace_id": poller.id, "task_id": id});
    let status = json_of(&tool(&bed, &lead, "check_task_status", asked).await.unwrap());
    assert_eq!(status, json!({"task_id": id, "status": "queued", "target_id": poller.id}));
    assert_eq!(bed.activity(poller.id).await.len(), 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_late_is_kept_as_a_delegation_and_the_task_is_sent_once() {
    let bed = Bed::new().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let agent = Agent::new(move |got| {
        let held = Arc::clone(&held);
        async move {
            held.notified().await;
            reply(&got, "late").into_response()
        }
    })
    .await;
    let lead = bed.workspace("Lead", None).await;
    let hand = bed.agent("Hand", Some(lead.id), &agent.url).await;
    let mut events = bed.events();
    let patience = Duration::from_millis(1);
    let asked = messaging::ask(&bed.app, lead.id, hand.id, "compute".into(), patience).await.unwrap();
    let Asked::Working(id) = asked else { panic!("{asked:?}") };
    let check = async || {
        let asked = json!({"workspace_id": hand.id, "task_id": id});
        json_of(&tool(&bed, &lead, "check_task_status", asked).await.unwrap())
    };
    assert_eq!(check().await["status"], "dispatched");
    gate.notify_one();
    events.next(EventKind::DelegationComplete).await;
    assert_eq!((&check().await["status"], &check().await["result"]), (&json!("completed"), &json!("late")));
    assert_eq!(agent.got().len(), 1);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_for_the_person_are_kept_and_only_where_allowed() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let refused = tool(&bed, &a, "send_message_to_user", json!({"message": "hi"})).await.unwrap_err();
    assert!(refused.contains("MOLECULE_MCP_ALLOW_SEND_MESSAGE"), "{refused}");
    assert!(bed.activity(a.id).await.is_empty());
    bed.stop().await;
    let bed = Bed::with(|config| config.mcp_send_message = true).await;
    let a = bed.workspace("A", None).await;
    let mut events = bed.events();
    assert_eq!(tool(&bed, &a, "send_message_to_user", json!({"message": "hi"})).await.unwrap(), "Message sent.");
    let event = events.next(EventKind::AgentMessage).await;
    assert_eq!(event.envelope.payload.fields(), json!({"message": "hi", "workspace_id": a.id, "name": "A"}));
    let chat = bed.read(&format!("/workspaces/{}/activity?type=a2a_receive&source=canvas", a.id)).await;
    assert_eq!((&chat[0]["method"], &chat[0]["response_body"]), (&json!("notify"), &json!({"result": "hi"})));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r50_memories_are_redacted_scoped_and_found() {
    let bed = Bed::new().await;
    let lead = bed.workspace("Lead", None).await;
    let a = bed.workspace("A", Some(lead.id)).await;
    let b = bed.workspace("B", Some(lead.id)).await;
    let commit = async |who: &Known, content: &str, scope: &str| {
        let text = tool(&bed, who, "commit_memory", json!({"content": content, "scope": scope})).await.unwrap();
        let made = json_of(&text);
        let expected = if scope.is_empty() { "LOCAL" } else { scope };
        assert_eq!(text, format!(r#"{{"id":"{}","scope":"{expected}"}}"#, made["id"].as_str().unwrap()));
    };
    let recall = async |who: &Known, query: &str, scope: &str| -> Vec<String> {
        let text = tool(&bed, who, "recall_memory", json!({"query": query, "scope": scope})).await.unwrap();
        if text == "No memories found." {
            return Vec::new();
        }
        let found = json_of(&text);
        let keys: Vec<&String> = found[0].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "content", "scope", "created_at"]);
        found.as_array().unwrap().iter().map(|fact| fact["content"].as_str().unwrap().to_owned()).collect()
    };
    assert!(recall(&a, "", "").await.is_empty());
    commit(&a, "Mine: GH_TOKEN=abc", "").await;
    commit(&a, "Release 100% on Friday", "TEAM").await;
    commit(&b, "B's own", "LOCAL").await;
    commit(&b, "B's for the team", "TEAM").await;
    commit(&lead, "The lead's for the team", "TEAM").await;
    let global = json!({"content": "For everyone", "scope": "GLOBAL"});
    let path = format!("/workspaces/{}/memories", lead.id);
    let answer = bed.post(&path).bearer_auth(&lead.token).json(&global).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    // Newest first; own ones of both scopes without a scope, also with an unknown one.
    for scope in ["", "everything"] {
        assert_eq!(recall(&a, "", scope).await, ["Release 100% on Friday", "Mine: [REDACTED:TOKEN]"]);
    }
    assert_eq!(recall(&lead, "", "").await, ["The lead's for the team"], "GLOBAL ones are not for the bridge");
    assert_eq!(recall(&a, "", "LOCAL").await, ["Mine: [REDACTED:TOKEN]"]);
    // TEAM as 30 §4.3 has it, the parent's and, for a root, the children's included (R-50).
    let team = ["The lead's for the team", "B's for the team", "Release 100% on Friday"];
    assert_eq!(recall(&a, "", "TEAM").await, team);
    assert_eq!(recall(&lead, "", "TEAM").await, team);
    // A case-insensitive substring, and nothing else.
    assert_eq!(recall(&b, "ELEASE 100%", "TEAM").await, ["Release 100% on Friday"]);
    assert!(recall(&b, "Release%Friday", "TEAM").await.is_empty());
    bed.remove(b.id).await;
    assert_eq!(recall(&a, "b's", "TEAM").await, Vec::<String>::new(), "removed ones are not seen");
    // Read back through the other surface: redacted there too, under the workspace's own heading.
    let rows = bed.read(&format!("/workspaces/{}/memories?scope=LOCAL", a.id)).await;
    assert_eq!((&rows[0]["content"], &rows[0]["namespace"]), (&json!("Mine: [REDACTED:TOKEN]"), &json!(a.id)));
    for n in 0..51 {
        commit(&a, &format!("fact {n}"), "").await;
    }
    let found = recall(&a, "fact", "LOCAL").await;
    assert_eq!((found.len(), found[0].as_str()), (50, "fact 50"));
    bed.stop().await;
}
