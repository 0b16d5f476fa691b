//! A closed lid: everything stops at one moment and goes on much later. Nobody is called dead, nothing is started
//! anew, no message goes twice. What moves the clock by eight hours is tried with a clock that is moved by hand; here
//! the real processes stand still, for longer than any patience that counts in silence.

use std::time::Duration;

use rustix::process::Signal;

use super::bed::{local, pid_of, row, rows_of, say, told_the_truth, truly_online, until};
use super::puppet::Puppet;
use crate::support::{SOON, TestServer, process};

/// Longer than what makes an external agent silent here, and than what the server takes for a nap.
const CLOSED: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread")]
async fn done_when_9_a_closed_lid_restarts_nobody_fails_nothing_and_doubles_no_message() {
    let server = TestServer::builder().env("REMOTE_LIVENESS_STALE_AFTER", "40").start().await;
    let ours = local(&server, "Ours", 0).await;
    let theirs = Puppet::push(&server, "Theirs").await;
    until(&server, &theirs.id, "online").await;
    let pid = pid_of(&server, &ours).unwrap();
    let mut events = server.events(None).await;
    // Both are in the middle of something when the lid closes.
    super::bed::takes(&server, &ours, 3_000);
    let sending = ["asleep-1", "asleep-2"].map(|id| {
        let (api, to) = (server.admin(), ours.clone());
        tokio::spawn(async move {
            let request = api.request(reqwest::Method::POST, &format!("/workspaces/{to}/a2a"));
            api.send(request.timeout(CLOSED + SOON).json(&super::bed::message(id))).await
        })
    });
    crate::support::eventually("the turns", || async {
        let open = server.admin().get(&format!("/workspaces/{ours}/inflight")).await.expect(200);
        if open.as_array().unwrap().len() == 2 { Ok(()) } else { Err(open.to_string()) }
    })
    .await;
    let everybody: Vec<u32> = server.agents().into_iter().chain([server.pid()]).collect();
    theirs.is_silent(true);
    everybody.iter().for_each(|pid| process::signal(*pid, Signal::STOP));
    tokio::time::sleep(CLOSED).await;
    everybody.iter().for_each(|pid| process::signal(*pid, Signal::CONT));
    theirs.is_silent(false);

    for (sent, id) in sending.into_iter().zip(["asleep-1", "asleep-2"]) {
        let answer = sent.await.unwrap();
        answer.expect(200);
        told_the_truth(&server, &ours, id, &answer).await;
        assert_eq!(rows_of(&server, &ours, id).await.len(), 1, "{id} went once");
    }
    truly_online(&server, &ours).await;
    assert_eq!(pid_of(&server, &ours), Some(pid), "nobody was restarted");
    say(&server.admin(), &theirs.id, "awake").await.expect(200);
    assert_eq!(theirs.got(), ["awake"]);
    assert_eq!(row(&server, &theirs.id).await["status"], "online");
    // A round of every fifteen-second sweep later it is still so.
    let listening = async { while events.next().await.is_some() {} };
    drop(tokio::time::timeout(Duration::from_secs(20), listening).await);
    let bad = ["WORKSPACE_OFFLINE", "WORKSPACE_PROVISIONING", "WORKSPACE_PROVISION_FAILED", "WORKSPACE_DEGRADED"];
    let told: Vec<_> = events.seen.iter().filter(|event| bad.iter().any(|kind| event["event"] == *kind)).collect();
    assert!(told.is_empty(), "{told:?}");
    assert!(server.log().contains("the machine slept"), "the nap was seen as one");
}
