//! R4 for agents of somebody else: their process is not ours to look at, so what counts is what is heard of them.

use futures_util::future::join_all;
use serde_json::json;

use super::bed::{answered_once, gets_through, message, row, rows_of, say, text, told_the_truth, until};
use super::puppet::Puppet;
use crate::support::{SOON, TestServer};

#[derive(Clone, Copy, Debug)]
enum Cell {
    /// Its process ends while nobody asks it anything.
    DiesIdle,
    /// … right before a message.
    DiesBefore,
    /// … while it works on one.
    DiesDuring,
    /// … right after its reply.
    DiesAfter,
    /// It takes a message, never answers, and says nothing of itself any more.
    HangsInSilence,
    /// It takes a message, never answers, and says that it is well; until somebody starts it anew.
    HangsBeating,
    /// It lives, answers, and says nothing of itself any more.
    Silent,
}

const CELLS: [Cell; 7] = [
    Cell::DiesIdle,
    Cell::DiesBefore,
    Cell::DiesDuring,
    Cell::DiesAfter,
    Cell::HangsInSilence,
    Cell::HangsBeating,
    Cell::Silent,
];

async fn cell(server: &TestServer, cell: Cell) {
    let name = format!("{cell:?}").to_lowercase();
    let mut puppet = Puppet::push(server, &name).await;
    let (api, id) = (server.admin(), puppet.id.clone());
    until(server, &id, "online").await;
    let first = format!("{name}-1");
    let (mut away, mut waits) = ("awaiting_agent", false);
    match cell {
        Cell::DiesIdle => puppet.dies(),
        Cell::DiesBefore => {
            puppet.dies();
            let answer = say(&api, &id, &first).await;
            assert_ne!(answer.status, 200);
            waits = answer.status == 202;
            told_the_truth(server, &id, &first, &answer).await;
        }
        Cell::DiesDuring => {
            puppet.hangs(true);
            let sending = tokio::spawn({
                let (api, id, first) = (api.clone(), id.clone(), first.clone());
                async move { say(&api, &id, &first).await }
            });
            puppet.has_got(&first).await;
            puppet.dies();
            let answer = sending.await.unwrap();
            assert_ne!(answer.status, 200);
            waits = answer.status == 202;
            told_the_truth(server, &id, &first, &answer).await;
            puppet.hangs(false);
        }
        Cell::DiesAfter => {
            let answer = say(&api, &id, &first).await;
            answer.expect(200);
            puppet.dies();
            told_the_truth(server, &id, &first, &answer).await;
        }
        Cell::HangsInSilence => {
            puppet.hangs(true);
            puppet.is_silent(true);
            let answer = say(&api, &id, &first).await;
            assert_ne!(answer.status, 200);
            waits = answer.status == 202;
            told_the_truth(server, &id, &first, &answer).await;
        }
        Cell::HangsBeating => {
            puppet.hangs(true);
            // Its beats keep the window open, so the sender's own limit ends it.
            let request = api.request(reqwest::Method::POST, &format!("/workspaces/{id}/a2a"));
            let sent = api.send(request.header("x-timeout", "2").json(&message(&first)));
            let answer = tokio::time::timeout(SOON, sent).await.expect("the sender still waits");
            assert_ne!(answer.status, 200);
            waits = answer.status == 202;
            told_the_truth(server, &id, &first, &answer).await;
            away = "online";
        }
        Cell::Silent => {
            puppet.is_silent(true);
            say(&api, &id, &first).await.expect(200);
        }
    }
    until(server, &id, away).await;
    // Nothing hangs in the air but what waits for it to come back.
    let open = api.get(&format!("/workspaces/{id}/inflight")).await.expect(200);
    let open: Vec<String> = open.as_array().unwrap().iter().map(|row| text(row, "message_id")).collect();
    assert_eq!(open, if waits { vec![first.clone()] } else { Vec::new() }, "{name}");
    // And back: the same process speaks again, or another takes its place.
    puppet.hangs(false);
    puppet.is_silent(false);
    match cell {
        Cell::DiesIdle | Cell::DiesBefore | Cell::DiesDuring | Cell::DiesAfter => puppet.comes().await,
        Cell::HangsBeating => {
            puppet.dies();
            puppet.comes().await;
        }
        Cell::HangsInSilence | Cell::Silent => {}
    }
    until(server, &id, "online").await;
    if waits {
        answered_once(server, &id, &first).await;
    }
    let second = format!("{name}-2");
    let answer = gets_through(server, &id, &second).await;
    told_the_truth(server, &id, &second, &answer).await;
    assert_eq!(row(server, &id).await["status"], "online");
}

/// One that only fetches: what it is sent waits for it, whatever it does meanwhile.
async fn poll_cell(server: &TestServer, dies: bool) {
    let mut puppet = Puppet::poll(server, if dies { "poll-dies" } else { "poll-silent" }).await;
    let (api, id) = (server.admin(), puppet.id.clone());
    until(server, &id, "online").await;
    if dies {
        puppet.dies();
    } else {
        puppet.is_silent(true);
    }
    let answer = say(&api, &id, &format!("{id}-1")).await.expect(200);
    assert_eq!(answer["status"], "queued");
    until(server, &id, "awaiting_agent").await;
    say(&api, &id, &format!("{id}-2")).await.expect(200);
    puppet.is_silent(false);
    if dies {
        puppet.comes().await;
    }
    until(server, &id, "online").await;
    for n in 1..=2 {
        let rows = rows_of(server, &id, &format!("{id}-{n}")).await;
        assert_eq!((rows.len(), &rows[0]["status"]), (1, &json!("ok")), "it is there to be fetched");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn target_r4_an_agent_of_somebody_else_that_dies_or_hangs_is_shown_and_comes_back() {
    let server = TestServer::builder()
        .env("REMOTE_LIVENESS_STALE_AFTER", "3")
        .env("A2A_IDLE_TIMEOUT_SECONDS", "2")
        .start()
        .await;
    let push = join_all(CELLS.map(|one| cell(&server, one)));
    let poll = join_all([poll_cell(&server, true), poll_cell(&server, false)]);
    tokio::join!(push, poll);
}
