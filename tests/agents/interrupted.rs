//! Done when 4, one case at a time: what a person sees of a kill, and what comes back by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::bed::{answer_text, message, named, organisation, received, text};
use crate::support::{FakeAgent, SOON, TestServer, eventually, process};

/// An external workspace that this fake answers for.
async fn behind(server: &TestServer, agent: &FakeAgent) -> String {
    let body = json!({"name": "Slow", "external": true, "url": agent.url(), "delivery_mode": "push"});
    text(&server.admin().post("/workspaces", &body).await.expect(201), "id")
}

#[tokio::test]
async fn done_when_4_a_message_in_flight_when_the_server_dies_is_shown_as_interrupted() {
    let mut server = TestServer::start().await;
    let agent = FakeAgent::holding().await;
    let id = behind(&server, &agent).await;
    let path = format!("/workspaces/{id}/a2a");
    let sending: Vec<_> = ["in-flight-1", "in-flight-2"]
        .map(|key| {
            let (api, path) = (server.admin(), path.clone());
            tokio::spawn(async move {
                let request = api.request(reqwest::Method::POST, &path).json(&message("Are you there?", key));
                api.try_send(request).await
            })
        })
        .into();
    eventually("both messages at the agent", || async {
        let seen = agent.seen().len();
        if seen == 2 { Ok(()) } else { Err(seen) }
    })
    .await;
    // A window that is opened now shows them as being answered.
    let open = server.admin().get(&format!("/workspaces/{id}/inflight")).await.expect(200);
    let ids: BTreeSet<String> = open.as_array().unwrap().iter().map(|row| text(row, "message_id")).collect();
    assert_eq!(ids, ["in-flight-1", "in-flight-2"].map(str::to_owned).into());

    server.kill9();
    for sender in sending {
        assert!(sender.await.unwrap().is_err(), "nobody was told that it was done");
    }
    server.restart().await;
    let api = server.admin();
    let rows = eventually("the rows of both", || async {
        let rows = received(&api, &id).await;
        if rows.len() == 2 { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    for row in &rows {
        assert_eq!(row["status"], "error", "{row}");
        assert!(text(row, "error_detail").starts_with("interrupted: "), "{row}");
        assert!(text(row, "error_detail").contains("Send it again"), "it says what to do: {row}");
    }
    let shown: BTreeSet<String> =
        rows.iter().map(|row| text(&row["request_body"]["params"]["message"], "messageId")).collect();
    assert_eq!(shown, ids, "the person's words are still there");
    assert_eq!(api.get(&format!("/workspaces/{id}/inflight")).await.expect(200), json!([]));

    // And a message that is sent again goes through.
    let again = tokio::spawn({
        let (api, path) = (api.clone(), path.clone());
        async move { api.post(&path, &message("Again", "again")).await.expect(200) }
    });
    eventually("it at the agent", || async {
        agent.release();
        if again.is_finished() { Ok(()) } else { Err("not answered yet") }
    })
    .await;
    assert_eq!(answer_text(&again.await.unwrap()), "at last");
}

/// S123, the launcher's exit watch: the card says so at once, and the agent is back without anybody's doing.
#[tokio::test]
async fn done_when_4_a_killed_agent_is_shown_and_comes_back_by_itself() {
    let server = TestServer::start().await;
    let members = organisation(&server, "code-review").await;
    let victim = named(&members, "Security reviewer").id.clone();
    let pid_of = |id: &str| {
        let state = server.data().join("workspaces").join(id).join("run.json");
        let state: Value = serde_json::from_slice(&std::fs::read(state).ok()?).ok()?;
        u32::try_from(state["pid"].as_u64()?).ok()
    };
    let before: Vec<_> = members.iter().map(|member| pid_of(&member.id).unwrap()).collect();
    let mut events = server.events(None).await;
    let dead = pid_of(&victim).unwrap();
    process::kill9(dead);
    events.of("WORKSPACE_OFFLINE", &victim).await;
    events.of("WORKSPACE_ONLINE", &victim).await;
    let alive = eventually("another process", || async {
        pid_of(&victim).filter(|pid| *pid != dead && process::is_alive(*pid)).ok_or("none yet")
    })
    .await;
    let words = answer_text(
        &server.admin().post(&format!("/workspaces/{victim}/a2a"), &message("Are you back?", "back")).await.expect(200),
    );
    assert!(!words.is_empty());
    for (member, old) in members.iter().zip(before).filter(|(member, _)| member.id != victim) {
        assert_eq!(pid_of(&member.id), Some(old), "{} was left alone", member.name);
    }
    assert_eq!(server.agents().len(), members.len());
    assert!(server.agents().contains(&alive));
}

/// An agent that dies in the middle of a turn: the sender is told, the row says so, nothing hangs.
#[tokio::test]
async fn done_when_4_an_agent_that_dies_in_a_turn_ends_that_turn() {
    let server = TestServer::start().await;
    let members = organisation(&server, "code-review").await;
    let victim = named(&members, "Security reviewer").id.clone();
    let folder = server.data().join("workspaces").join(&victim);
    let script =
        "name: Slow\nmodel: rehearsal\nrehearsal:\n  rules:\n    - steps: [{wait_ms: 120000}, {reply: never}]\n";
    std::fs::write(folder.join("configs/config.yaml"), script).unwrap();
    let api = server.admin();
    let sending = tokio::spawn({
        let (api, victim) = (api.clone(), victim.clone());
        async move { api.post(&format!("/workspaces/{victim}/a2a"), &message("Take your time", "cut")).await }
    });
    eventually("the turn", || async {
        let open = api.get(&format!("/workspaces/{victim}/inflight")).await.expect(200);
        if open[0]["message_id"] == "cut" { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    let state: Value = serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    process::kill9(u32::try_from(state["pid"].as_u64().unwrap()).unwrap());
    let answer = tokio::time::timeout(SOON, sending).await.expect("the sender still waits").unwrap();
    assert!(answer.status >= 500 || answer.status == 202, "{}: {}", answer.status, answer.text());
    let row = eventually("its row", || async {
        let rows = received(&api, &victim).await;
        let row =
            rows.iter().find(|row| text(&row["request_body"]["params"]["message"], "messageId") == "cut").cloned();
        row.ok_or_else(|| format!("{rows:?}"))
    })
    .await;
    assert_eq!(row["status"], "error", "{row}");
    assert!(!text(&row, "error_detail").is_empty(), "{row}");
    super::bed::everybody_online(&server, members.len()).await;
}

/// A stop, or a kill, in the middle of launches is no failure of anybody: the next start takes them up again.
#[tokio::test]
async fn done_when_4_launches_under_way_when_the_server_ends_are_taken_up_again() {
    let mut server = TestServer::start().await;
    let mut count = 0;
    for round in 0..4 {
        let made = server.admin().post("/org/import", &json!({"dir": "product-team"})).await.expect(201);
        count += made["workspaces"].as_array().unwrap().len();
        if round % 2 == 0 {
            server.stop();
        } else {
            server.kill9();
        }
        server.restart().await;
    }
    super::bed::everybody_online(&server, count).await;
}
