//! When and in which order what waits is delivered (S149–S151, S154).

use std::sync::Arc;

use axum::response::Response;
use molecule_model::{WorkspaceId, event::EventKind};
use molecule_platform::SystemClock;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{is, parked};
use crate::{
    agent::Agent,
    bed::Bed,
    moody::{Mood, Moody},
};

#[tokio::test(flavor = "multi_thread")]
async fn s149_s151_s154_o15_it_is_delivered_when_the_agent_is_free_and_in_order() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    // Deep below, where no agent of the person's own level may speak (S154).
    let root = bed.workspace("Root", None).await;
    let middle = bed.workspace("Middle", Some(root.id)).await;
    let a = bed.agent("Deep", Some(middle.id), &agent.url).await;
    let first = bed.park(&a, "p1").await;
    parked(bed.ask(&middle, &a, "m1").send().await.unwrap()).await;
    // What comes after one that waits goes behind it, free or not: it is not sent.
    agent.is(Mood::Hanging);
    bed.beat_with(&a, json!({"active_tasks": 1})).await;
    for text in ["p2", "p3"] {
        bed.park(&a, text).await;
    }
    parked(bed.ask(&middle, &a, "m2").send().await.unwrap()).await;
    assert!(agent.heard(&Mood::Hanging).is_empty());
    let row = &bed.activity(a.id).await[0];
    assert_eq!((&row["status"], &row["duration_ms"]), (&json!("queued"), &json!(null)));
    assert_eq!(row["summary"], "message/send → Deep (queued behind earlier messages)");
    agent.is(Mood::Free);
    let mut events = bed.events();
    bed.beat(&a).await;
    agent.until(7).await;
    let heard = agent.heard(&Mood::Free);
    let of = |prefix: &str| heard.iter().filter(|text| text.starts_with(prefix)).cloned().collect::<Vec<_>>();
    assert_eq!((of("p"), of("m")), (vec!["p1".into(), "p2".into(), "p3".into()], vec!["m1".into(), "m2".into()]));
    // The person's own have their row and their event (O-15), an agent's have none.
    let told = events.next(EventKind::A2aResponse).await;
    assert_eq!(told.envelope.payload.fields()["response_body"]["result"]["parts"][0]["text"], "did p1");
    assert!(told.envelope.payload.fields()["duration_ms"].as_i64().unwrap() >= 1);
    let item = bed.until(&a, &first, is("completed")).await;
    assert_eq!((&item["attempts"], &item["last_error"]), (&json!(1), &json!(null)));
    assert!(item["completed_at"].is_string() && item.get("response_body").is_none());
    for text in ["did p2", "did p3"] {
        let told = events.next(EventKind::A2aResponse).await;
        assert_eq!(told.envelope.payload.fields()["response_body"]["result"]["parts"][0]["text"], text);
    }
    let rows = bed.activity(a.id).await;
    let ok: Vec<_> = rows.iter().filter(|row| row["status"] == "ok").collect();
    assert_eq!(ok.len(), 3);
    assert_eq!((&ok[2]["summary"], &ok[2]["source_id"]), (&json!("message/send → Deep"), &json!(null)));
    assert_eq!(ok[2]["tool_trace"], json!([{"tool": "look"}]));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s149_r108_an_agent_with_room_gets_as_many_at_once_and_one_of_each_sender() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let root = bed.workspace("Root", None).await;
    let a = bed.agent("Roomy", Some(root.id), &agent.url).await;
    bed.sql("UPDATE workspaces SET max_concurrent_tasks = 3 WHERE id = ?1", vec![a.id.to_string()]).await;
    bed.beat_with(&a, json!({"active_tasks": 3})).await;
    let mut senders = vec![root.clone()];
    for name in ["B", "C", "D"] {
        senders.push(bed.workspace(name, Some(root.id)).await);
    }
    for (round, depth) in [(1, 1), (2, 5)] {
        for (at, sender) in senders.iter().enumerate() {
            let answer = bed.ask(sender, &a, &format!("{at}-{round}")).send().await.unwrap();
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["queue_depth"], json!(depth + at), "{body}");
        }
    }
    agent.is(Mood::Hanging);
    bed.beat(&a).await;
    agent.until(7).await;
    let mut heard = agent.heard(&Mood::Hanging);
    heard.sort();
    assert_eq!(heard, ["0-1", "1-1", "2-1"]);
    // What it works on already counts, whatever comes in.
    parked(bed.ask(&root, &a, "0-3").send().await.unwrap()).await;
    let claimed = |conn: &molecule_store::rusqlite::Connection| {
        let sql = "SELECT count(*) FROM a2a_queue WHERE status = 'dispatched'";
        Ok(conn.query_row(sql, [], |row| row.get::<_, i64>(0))?)
    };
    assert_eq!(bed.app.store.read(claimed).await.unwrap(), 3);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s150_s151_what_fails_is_tried_five_times_and_says_why() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let root = bed.workspace("Root", None).await;
    let a = bed.agent("Sour", Some(root.id), &agent.url).await;
    let id = bed.park(&a, "one").await;
    let sour = [
        (Mood::Sour(500, r#"{"error":"out of paper"}"#), "out of paper"),
        (Mood::Sour(500, r#"{"error":{"code":-32000}}"#), "Internal Server Error"),
        (Mood::Sour(429, "null"), "Too Many Requests"),
        (Mood::Sour(404, ""), "Not Found"),
    ];
    for (attempt, (mood, why)) in sour.into_iter().enumerate() {
        agent.is(mood);
        bed.beat(&a).await;
        let item = bed.until(&a, &id, |item| item["attempts"] == attempt + 1 && item["status"] == "queued").await;
        assert_eq!((&item["last_error"], &item["dispatched_at"]), (&json!(why), &json!(null)));
    }
    // Budget is asked again (S151); this was the fifth, and the person reads of it.
    bed.sql("UPDATE workspaces SET budget_limit = 0 WHERE id = ?1", vec![a.id.to_string()]).await;
    let mut events = bed.events();
    bed.beat(&a).await;
    let item = bed.until(&a, &id, is("failed")).await;
    let why = "workspace budget limit exceeded";
    assert_eq!((&item["attempts"], &item["last_error"]), (&json!(5), &json!(why)));
    let told = events.next(EventKind::ActivityLogged).await;
    assert_eq!(
        (&told.envelope.payload.fields()["status"], &told.envelope.payload.fields()["error_detail"]),
        (&json!("error"), &json!(why))
    );
    // Hierarchy too: who may no longer talk to it does not get through.
    bed.sql("UPDATE workspaces SET budget_limit = NULL WHERE id = ?1", vec![a.id.to_string()]).await;
    agent.is(Mood::Busy);
    let peer = bed.workspace("Peer", Some(root.id)).await;
    let theirs = parked(bed.ask(&peer, &a, "two").send().await.unwrap()).await;
    let elsewhere = bed.workspace("Elsewhere", Some(bed.workspace("Other", None).await.id)).await;
    let moved = vec![elsewhere.id.to_string(), peer.id.to_string()];
    bed.sql("UPDATE workspaces SET parent_id = ?1 WHERE id = ?2", moved).await;
    bed.beat(&a).await;
    let item = bed.until(&a, &theirs, |item| item["attempts"] == 1 && item["status"] == "queued").await;
    assert_eq!(item["last_error"], "access denied: workspaces cannot communicate per hierarchy rules");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_no_capacity_no_drain_and_the_end_of_another_forward_is_one() {
    let bed = Bed::new().await;
    let agent = Moody::new(Mood::Busy).await;
    let root = bed.workspace("Root", None).await;
    let a = bed.agent("Busy", Some(root.id), &agent.url).await;
    let id = bed.park(&a, "one").await;
    agent.is(Mood::Free);
    bed.beat_with(&a, json!({"active_tasks": 1})).await;
    bed.beat_with(&a, json!({"runtime_state": "wedged"})).await;
    assert_eq!(bed.item(&a, &id).await["status"], "queued");
    // Another sender's message goes straight through; with its end the agent is free.
    assert_eq!(bed.ask(&root, &a, "other").send().await.unwrap().status(), StatusCode::OK);
    bed.until(&a, &id, is("completed")).await;
    assert_eq!(agent.heard(&Mood::Free), ["other", "one"]);
    // So it is with a register.
    agent.is(Mood::Busy);
    let id = bed.park(&a, "two").await;
    agent.is(Mood::Free);
    let body = json!({"id": a.id, "url": agent.url, "agent_card": {}});
    bed.post("/registry/register").bearer_auth(&a.token).json(&body).send().await.unwrap();
    bed.until(&a, &id, is("completed")).await;
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s151_a_stream_and_a_poll_agent_are_drained_too() {
    let bed = Bed::new().await;
    let busy = Moody::new(Mood::Busy).await;
    let a = bed.agent("Streams", None, &busy.url).await;
    let id = parked(bed.stream(a.id, "one").send().await.unwrap()).await;
    let streaming = Agent::new(|_| async {
        let event = json!({"jsonrpc": "2.0", "id": "r1", "result": {"kind": "message", "role": "agent", "messageId": "a",
            "parts": [{"kind": "text", "text": "streamed"}]}});
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(axum::body::Body::from(format!("data: {event}\n\n")))
            .unwrap()
    })
    .await;
    let move_to = |url: String, to: WorkspaceId| {
        bed.sql("UPDATE workspaces SET url = ?1 WHERE id = ?2", vec![url, to.to_string()])
    };
    move_to(streaming.url.clone(), a.id).await;
    bed.beat(&a).await;
    bed.until(&a, &id, is("completed")).await;
    let rows = bed.activity(a.id).await;
    assert_eq!(rows[0]["response_body"]["result"]["parts"][0]["text"], "streamed");
    assert_eq!(streaming.got()[0].json()["method"], "message/stream");
    // One that fetches its messages since: its row is the delivery.
    move_to(busy.url.clone(), a.id).await;
    let id = bed.park(&a, "two").await;
    bed.sql("UPDATE workspaces SET delivery_mode = 'poll' WHERE id = ?1", vec![a.id.to_string()]).await;
    bed.beat(&a).await;
    bed.until(&a, &id, is("completed")).await;
    assert_eq!(bed.activity(a.id).await[0]["summary"], "message/send → Streams (queued for poll)");
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o23_what_was_being_delivered_when_the_server_stopped_is_delivered_afterwards() {
    for crash in [false, true] {
        let bed = Bed::new().await;
        let agent = Moody::new(Mood::Busy).await;
        let a = bed.agent("Busy", None, &agent.url).await;
        let id = bed.park(&a, "one").await;
        agent.is(Mood::Hanging);
        bed.beat(&a).await;
        agent.until(2).await;
        assert_eq!(bed.item(&a, &id).await["status"], "dispatched");
        let working = bed.read(&format!("/workspaces/{}/inflight", a.id)).await;
        assert_eq!((&working[0]["message_id"], working[0].get("queued")), (&json!("m-one"), None), "being worked on");
        let dir = Arc::clone(&bed.dir);
        bed.stop().await;
        if crash {
            // What `kill -9` leaves: nobody put it back.
            let path = dir.path().join("molecule.db");
            let conn = molecule_store::rusqlite::Connection::open(path).unwrap();
            let claimed =
                "UPDATE a2a_queue SET status = 'dispatched', attempts = 1, lease_until = '2999-01-01T00:00:00.000000Z'";
            assert_eq!(conn.execute(claimed, []).unwrap(), 1);
        }
        agent.is(Mood::Free);
        let bed = Bed::start(dir, |_| {}, Arc::new(SystemClock)).await;
        let item = bed.item(&a, &id).await;
        assert_eq!((&item["status"], &item["attempts"]), (&json!("queued"), &json!(i64::from(crash))));
        bed.beat(&a).await;
        bed.until(&a, &id, is("completed")).await;
        assert_eq!(agent.heard(&Mood::Free), ["one"]);
        assert_eq!(bed.activity(a.id).await[0]["status"], "ok");
        bed.stop().await;
    }
}
