//! Done when 11: the embedded agent against wire-true stubs of both model dialects.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use molecule_agent::testing::{ModelStub, Refusal, Reply, Wire};
use serde_json::{Value, json};

use super::bed::{answer_text, message, text};
use crate::support::{TestServer, eventually};

/// Which secrets point an agent at a stub.
const fn variables(wire: Wire) -> (&'static str, &'static str, &'static str) {
    match wire {
        Wire::Anthropic => ("anthropic:claude-sonnet-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
        Wire::OpenAi => ("openai/gpt-5", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    }
}

/// One agent with this model stub behind it.
async fn agent(server: &TestServer, wire: Wire, stub: &ModelStub) -> String {
    let (model, key, base) = variables(wire);
    let made = server
        .admin()
        .post(
            "/workspaces",
            &json!({"name": "Thinker", "runtime": "local", "model": model,
                    "secrets": {key: "sk-test-key", base: stub.base_url(), "MOLECULE_MODEL_SILENCE_SECS": "2"}}),
        )
        .await
        .expect(201);
    let id = text(&made, "id");
    eventually("the agent to be online", || async {
        let row = server.admin().get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == "online" { Ok(()) } else { Err(row["status"].to_string()) }
    })
    .await;
    id
}

#[tokio::test]
async fn done_when_11_two_tool_rounds_and_a_streamed_answer_in_both_dialects() {
    for wire in [Wire::Anthropic, Wire::OpenAi] {
        let stub = ModelStub::in_order(
            wire,
            [
                Reply::call("list_peers", json!({})),
                Reply::call("commit_memory", json!({"content": "the sky is green", "scope": "LOCAL"})),
                Reply::Say(vec!["The sky ".into(), "is green.".into()]),
            ],
        )
        .await;
        let server = TestServer::start().await;
        let id = agent(&server, wire, &stub).await;
        let body = message("What colour is the sky?", "q").to_string().replace("message/send", "message/stream");
        let api = server.admin();
        let request = api.request(reqwest::Method::POST, &format!("/workspaces/{id}/a2a"));
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"), "{wire:?}");
        let mut stream = answer.bytes_stream();
        let mut all = String::new();
        while let Some(chunk) = stream.next().await {
            all.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
        }
        let events: Vec<Value> = all
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let pieces: String = events
            .iter()
            .filter(|event| event["result"]["kind"] == "artifact-update")
            .filter_map(|event| event["result"]["artifact"]["parts"][0]["text"].as_str())
            .collect();
        assert_eq!(pieces, "The sky is green.", "{wire:?}");
        let last = &events.last().unwrap()["result"];
        assert_eq!(
            (last["final"].clone(), last["status"]["state"].clone()),
            (json!(true), json!("completed")),
            "{wire:?}: {last}"
        );
        let trace = last["status"]["message"]["metadata"]["tool_trace"].as_array().unwrap();
        let tools: Vec<&str> = trace.iter().filter_map(|step| step["tool"].as_str()).collect();
        assert_eq!(tools, ["list_peers", "commit_memory"], "{wire:?}");
        assert!(last["status"]["message"]["usage"]["output_tokens"].as_u64().unwrap() > 0, "{wire:?}");
        assert_eq!(stub.seen().len(), 3, "{wire:?}: two tool rounds and the answer");
        let kept = api.get(&format!("/workspaces/{id}/memories?scope=LOCAL")).await.expect(200);
        assert_eq!(kept[0]["content"], "the sky is green", "{wire:?}");
    }
}

#[tokio::test]
async fn done_when_11_what_goes_wrong_is_told_apart_in_words_to_act_on() {
    let table: [(Reply, &str, &str); 6] = [
        (Reply::Refuse(Refusal::WrongKey), "model_key_refused", "Replace the secret"),
        (Reply::Refuse(Refusal::RateLimited(Some(60))), "model_rate_limited", "Send the message again in 60 seconds"),
        (Reply::Refuse(Refusal::OutOfQuota), "model_quota", "out of credit"),
        (Reply::Cut("half an ans".into()), "model_stream_cut", "broke off"),
        (Reply::Silent("thinking".into()), "model_silent", "has sent nothing for 2 seconds"),
        (Reply::Refuse(Refusal::ContextTooLong), "model_context_too_long", "no longer fits"),
    ];
    for wire in [Wire::Anthropic, Wire::OpenAi] {
        let replies: Vec<Reply> = table.iter().map(|(reply, ..)| reply.clone()).collect();
        let mut replies = replies.into_iter();
        let stub =
            ModelStub::start(wire, Some("sk-test-key"), move |_| replies.next().unwrap_or_else(|| Reply::say("done")))
                .await;
        let server = TestServer::start().await;
        let id = agent(&server, wire, &stub).await;
        for (n, (_, code, words)) in table.iter().enumerate() {
            let answer = server
                .admin()
                .post(&format!("/workspaces/{id}/a2a"), &message("Go", &format!("m-{n}")))
                .await
                .expect(200);
            let error = &answer["error"];
            assert_eq!(error["data"]["code"], *code, "{wire:?}: {answer}");
            assert!(error["message"].as_str().unwrap().contains(words), "{wire:?}: {error}");
        }
        let after = server.admin().post(&format!("/workspaces/{id}/a2a"), &message("Go", "last")).await.expect(200);
        assert_eq!(answer_text(&after), "done", "{wire:?}: the agent goes on");
    }
    // No key at all is a seventh thing, and needs no provider.
    let server = TestServer::start().await;
    let made = server
        .admin()
        .post("/workspaces", &json!({"name": "Keyless", "runtime": "local", "model": "anthropic:claude-sonnet-4-5"}))
        .await
        .expect(201);
    let id = text(&made, "id");
    eventually("online", || async {
        let row = server.admin().get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == "online" { Ok(()) } else { Err(row["status"].to_string()) }
    })
    .await;
    let answer = server.admin().post(&format!("/workspaces/{id}/a2a"), &message("Go", "m")).await.expect(200);
    assert_eq!(answer["error"]["data"]["code"], "model_key_missing", "{answer}");
}

#[tokio::test]
async fn done_when_11_a_turn_is_cancelled_within_a_second() {
    for wire in [Wire::Anthropic, Wire::OpenAi] {
        let stub =
            ModelStub::start(wire, None, |_| Reply::Slowly(vec!["word ".into(); 600], Duration::from_millis(100)))
                .await;
        let server = TestServer::start().await;
        let id = agent(&server, wire, &stub).await;
        let api = server.admin();
        let path = format!("/workspaces/{id}/a2a");
        let sending = {
            let (api, path) = (api.clone(), path.clone());
            tokio::spawn(async move { api.post(&path, &message("Talk", "long")).await })
        };
        let cancel = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/cancel", "params": {"id": "long"}});
        let cancelled = eventually("the turn to be there", || async {
            let answer = api.post(&path, &cancel).await;
            if answer.json()["result"]["status"]["state"] == "canceled" {
                Ok(Instant::now())
            } else {
                Err(answer.text())
            }
        })
        .await;
        let answer = sending.await.unwrap();
        // Printed, not asserted: the budget is a second.
        println!("{wire:?}: the sender heard of it {:?} later", cancelled.elapsed());
        assert_eq!(answer.json()["result"]["status"]["state"], "canceled", "{wire:?}: {}", answer.text());
        let row = api.get(&format!("/workspaces/{id}/inflight")).await.expect(200);
        assert_eq!(row, json!([]), "{wire:?}");
    }
}

/// S060: a changed secret restarts who uses it, and not in the middle of a turn.
#[tokio::test]
async fn s060_a_changed_secret_waits_for_the_turn_to_end() {
    let words = vec!["word ".to_owned(); 20];
    let stub =
        ModelStub::start(Wire::OpenAi, None, move |_| Reply::Slowly(words.clone(), Duration::from_millis(100))).await;
    let server = TestServer::start().await;
    let id = agent(&server, Wire::OpenAi, &stub).await;
    let api = server.admin();
    let path = format!("/workspaces/{id}/a2a");
    let sending = {
        let (api, path) = (api.clone(), path.clone());
        tokio::spawn(async move { api.post(&path, &message("Talk", "long")).await })
    };
    eventually("the turn to begin", || async {
        let open = api.get(&format!("/workspaces/{id}/inflight")).await.expect(200);
        if open == json!([]) { Err("not yet") } else { Ok(()) }
    })
    .await;
    let launches = || async {
        let events = api.get(&format!("/events/{id}")).await.expect(200);
        events.as_array().unwrap().iter().filter(|event| event["event_type"] == "WORKSPACE_PROVISIONING").count()
    };
    let before = launches().await;
    api.put(&format!("/workspaces/{id}/secrets"), &json!({"key": "A_NEW_KEY", "value": "v"})).await.expect(200);
    let answer = sending.await.unwrap().expect(200);
    let said = answer["result"].to_string();
    assert!(said.contains("word word") && !said.contains("interrupted"), "{answer}");
    eventually("the restart", || async {
        let now = launches().await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
}
