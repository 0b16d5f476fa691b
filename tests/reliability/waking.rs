//! O-9: a message wakes who sleeps, and is delivered when it comes again (10 §9.5, 20 §3.5).

use futures_util::future::join_all;
use serde_json::json;

use super::bed::{gets_through, local, pid_of, rows_of, say, told_the_truth, truly_online, until};
use crate::support::{TestServer, process};

#[tokio::test(flavor = "multi_thread")]
async fn o9_a_message_wakes_a_sleeping_agent_once_and_gets_through_when_it_comes_again() {
    let server = TestServer::start().await;
    let id = local(&server, "Sleeper", 0).await;
    let (api, pid) = (server.admin(), pid_of(&server, &id).unwrap());
    let mut events = server.events(None).await;
    let slept = api.post(&format!("/workspaces/{id}/hibernate"), &json!({})).await.expect(200);
    assert_eq!(slept, json!({"status": "hibernated"}));
    events.of("WORKSPACE_HIBERNATED", &id).await;
    assert!(!process::is_alive(pid) && server.agents().is_empty());

    // Several at once are one wake.
    let messages = ["wake-0", "wake-1", "wake-2", "wake-3"];
    let answers = join_all(messages.map(|message| say(&api, &id, message))).await;
    let waking: Vec<_> = answers.iter().filter(|answer| answer.json()["waking"] == true).collect();
    assert!(!waking.is_empty(), "{:?}", answers.iter().map(|answer| answer.text()).collect::<Vec<_>>());
    for answer in &waking {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("15")), "{}", answer.text());
        assert_eq!(answer.json()["retry_after"], 15);
        assert!(answer.error().contains("waking"), "{}", answer.error());
    }
    events.of("WORKSPACE_PROVISIONING", &id).await;
    events.of("WORKSPACE_ONLINE", &id).await;
    truly_online(&server, &id).await;
    let starts = events.seen.iter().filter(|event| event["event"] == "WORKSPACE_PROVISIONING").count();
    assert_eq!(starts, 1, "one wake at a time");
    for message in messages {
        let answer = gets_through(&server, &id, message).await;
        told_the_truth(&server, &id, message, &answer).await;
    }

    // And once more, by force out of the middle of a turn.
    let busy_with = async |nothing: bool| {
        crate::support::eventually("its heartbeat", || async {
            let row = super::bed::row(&server, &id).await;
            if (row["current_task"] == "") == nothing { Ok(()) } else { Err(row.to_string()) }
        })
        .await;
    };
    busy_with(true).await;
    super::bed::takes(&server, &id, 600_000);
    let working = tokio::spawn({
        let (api, id) = (api.clone(), id.clone());
        async move { say(&api, &id, "cut").await }
    });
    busy_with(false).await;
    let refused = api.post(&format!("/workspaces/{id}/hibernate"), &json!({})).await;
    assert_eq!((refused.status, refused.json()["active_tasks"].as_i64()), (409, Some(1)), "{}", refused.text());
    api.post(&format!("/workspaces/{id}/hibernate?force=true"), &json!({})).await.expect(200);
    let answer = working.await.unwrap();
    told_the_truth(&server, &id, "cut", &answer).await;
    until(&server, &id, "hibernated").await;
    assert!(server.agents().is_empty(), "nobody took its end for a death and started it again");
    super::bed::takes(&server, &id, 0);
    gets_through(&server, &id, "awake").await;
    assert_eq!(rows_of(&server, &id, "awake").await.iter().filter(|row| row["status"] == "ok").count(), 1);
}
