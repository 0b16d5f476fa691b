//! R4 for agents of ours: whenever their process ends and however, the card tells the truth within half a minute.

use futures_util::future::join_all;
use rustix::process::Signal;

use super::bed::{gets_through, local, pid_of, say, takes, told_the_truth, truly_online};
use crate::support::{TestServer, eventually, process};

/// Longer than any patience here.
const FOR_EVER: u64 = 600_000;

#[derive(Clone, Copy, Debug)]
enum When {
    /// Nobody asked it anything.
    Idle,
    /// Right before a message.
    Before,
    /// While it works on one.
    During,
    /// Right after it answered one.
    After,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// `kill -9` from outside.
    Killed,
    /// `kill` from outside.
    Told,
}

async fn cell(server: &TestServer, when: When, how: How) {
    let name = format!("{when:?}-{how:?}").to_lowercase();
    let id = local(server, &name, 0).await;
    let api = server.admin();
    let before = pid_of(server, &id).unwrap();
    let end = || {
        process::signal(
            before,
            match how {
                How::Killed => Signal::KILL,
                How::Told => Signal::TERM,
            },
        )
    };
    let first = format!("{name}-1");
    match when {
        When::Idle => end(),
        When::Before => {
            end();
            let answer = say(&api, &id, &first).await;
            told_the_truth(server, &id, &first, &answer).await;
        }
        When::During => {
            takes(server, &id, FOR_EVER);
            let kill = async {
                let path = format!("/workspaces/{id}/inflight");
                eventually("the turn", || async {
                    let open = api.get(&path).await.expect(200);
                    if open[0]["message_id"] == first.as_str() { Ok(()) } else { Err(open.to_string()) }
                })
                .await;
                end();
                takes(server, &id, 0);
            };
            let (answer, ()) = tokio::join!(say(&api, &id, &first), kill);
            told_the_truth(server, &id, &first, &answer).await;
        }
        When::After => {
            let answer = say(&api, &id, &first).await;
            answer.expect(200);
            end();
            told_the_truth(server, &id, &first, &answer).await;
        }
    }
    eventually(format!("another process of {name}"), || async {
        let now = pid_of(server, &id);
        if now.is_some_and(|now| now != before) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    truly_online(server, &id).await;
    assert!(!process::is_alive(before), "{name}: the old one is gone");
    let second = format!("{name}-2");
    let answer = gets_through(server, &id, &second).await;
    told_the_truth(server, &id, &second, &answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn target_r4_a_local_agent_that_dies_is_shown_and_comes_back() {
    let server = TestServer::start().await;
    let mut cells = Vec::new();
    for when in [When::Idle, When::Before, When::During, When::After] {
        for how in [How::Killed, How::Told] {
            cells.push(cell(&server, when, how));
        }
    }
    join_all(cells).await;
    assert_eq!(server.agents().len(), 8, "one process for each");
}
