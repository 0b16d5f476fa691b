//! A task followed by somebody who speaks another version than its agent (R-18, 40 §10.1).

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{agent::Agent, bed::Bed};

/// What an agent of each version says of a task that runs: where it stands, one more piece, the end.
fn stream(v1: bool) -> Vec<Value> {
    if v1 {
        return vec![
            json!({"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}}),
            json!({"artifactUpdate": {"taskId": "t", "contextId": "c", "append": true,
                "artifact": {"artifactId": "a", "parts": [{"text": "more"}]}}}),
            json!({"statusUpdate": {"taskId": "t", "contextId": "c", "status": {"state": "TASK_STATE_COMPLETED"}}}),
        ];
    }
    vec![
        json!({"kind": "task", "id": "t", "contextId": "c", "status": {"state": "working"}}),
        json!({"kind": "artifact-update", "taskId": "t", "contextId": "c", "append": true,
            "artifact": {"artifactId": "a", "parts": [{"kind": "text", "text": "more"}]}}),
        json!({"kind": "status-update", "taskId": "t", "contextId": "c", "status": {"state": "completed"}, "final": true}),
    ]
}

/// An agent that knows one version's names alone, and says so in its card.
async fn agent(v1: bool) -> Agent {
    Agent::new(move |got| async move {
        let asked = got.json();
        let known = if v1 { "SubscribeToTask" } else { "tasks/resubscribe" };
        let header = got.headers.get("a2a-version").and_then(|version| version.to_str().ok()).map(str::to_owned);
        let spoken = asked["method"] == known && header.as_deref() == v1.then_some("1.0");
        if !spoken || asked["params"]["id"] != "t" {
            let error = json!({"code": -32601, "message": format!("{} {header:?}", asked["method"])});
            return axum::Json(json!({"jsonrpc": "2.0", "id": asked["id"], "error": error})).into_response();
        }
        let events: String = stream(v1)
            .into_iter()
            .map(|result| format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": asked["id"], "result": result})))
            .collect();
        Response::builder().header("content-type", "text/event-stream").body(Body::from(events)).unwrap()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_r19_a_running_task_is_followed_in_the_callers_own_version() {
    let bed = Bed::new().await;
    for (agents_v1, callers_v1) in [(false, false), (false, true), (true, false), (true, true)] {
        let peer = agent(agents_v1).await;
        let known = bed.agent("Peer", None, &peer.url).await;
        let version = if agents_v1 { "1.0" } else { "0.3.0" };
        let card = json!({"workspace_id": known.id, "agent_card": {"name": "Peer", "protocolVersion": version}});
        bed.post("/registry/update-card").bearer_auth(&known.token).json(&card).send().await.unwrap();
        let method = if callers_v1 { "SubscribeToTask" } else { "tasks/resubscribe" };
        let body = json!({"jsonrpc": "2.0", "id": "mine", "method": method, "params": {"id": "t"}});
        let mut asking = bed.post(&format!("/workspaces/{}/a2a", known.id)).bearer_auth(&bed.admin).json(&body);
        if callers_v1 {
            asking = asking.header("A2A-Version", "1.0");
        }
        let answer = asking.send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        let text = answer.text().await.unwrap();
        let events: Vec<Value> = text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        assert!(events.iter().all(|event| event["id"] == "mine"), "{text}");
        let results: Vec<Value> = events.into_iter().map(|mut event| event["result"].take()).collect();
        assert_eq!(results, stream(callers_v1), "agent v1: {agents_v1}, caller v1: {callers_v1}");
    }
    bed.stop().await;
}
