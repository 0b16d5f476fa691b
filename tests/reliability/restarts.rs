//! R4: the server itself ends in the middle of a call, by a stop and by a kill.

use serde_json::json;

use super::bed::{gets_through, local, rows_of, say, takes, text, told_the_truth, truly_online, until};
use super::puppet::Puppet;
use crate::support::{TestServer, eventually, process};

async fn ends_mid_call(kill: bool) {
    let mut server = TestServer::start().await;
    let port = server.port();
    let ours = local(&server, "Ours", 600_000).await;
    let push = Puppet::push(&server, "Push").await;
    let poll = Puppet::poll(&server, "Poll").await;
    for to in [&push.id, &poll.id] {
        until(&server, to, "online").await;
    }
    push.hangs(true);
    let sending: Vec<_> = [(&ours, "ours"), (&push.id, "push")]
        .map(|(to, id)| {
            let (api, to) = (server.admin(), to.clone());
            tokio::spawn(async move {
                let request = api.request(reqwest::Method::POST, &format!("/workspaces/{to}/a2a"));
                api.try_send(request.json(&super::bed::message(id))).await
            })
        })
        .into();
    say(&server.admin(), &poll.id, "poll").await.expect(200);
    for to in [&ours, &push.id] {
        eventually("both turns", || async {
            let open = server.admin().get(&format!("/workspaces/{to}/inflight")).await.expect(200);
            if open.as_array().unwrap().len() == 1 { Ok(()) } else { Err(open.to_string()) }
        })
        .await;
    }
    push.has_got("push").await;
    let old = server.agents();
    if kill {
        server.kill9();
    } else {
        server.stop();
    }
    // The agents of ours end with it, however it ends.
    for pid in old {
        assert!(process::ends_within(pid, std::time::Duration::from_secs(10)), "agent {pid} outlived its server");
    }
    takes(&server, &ours, 0);
    push.hangs(false);
    server.restart_on_the_same_port(port).await;
    for sender in sending {
        // Told nothing, or that it was cut off: never that it was done.
        if let Ok(answer) = sender.await.unwrap() {
            assert!(answer.status >= 500 || answer.status == 202, "{}", answer.text());
        }
    }
    truly_online(&server, &ours).await;
    assert_eq!(server.agents().len(), 1);
    for to in [&push.id, &poll.id] {
        until(&server, to, "online").await;
        let open = server.admin().get(&format!("/workspaces/{to}/inflight")).await.expect(200);
        assert_eq!(open, json!([]));
    }
    for (to, id) in [(&ours, "ours"), (&push.id, "push")] {
        let rows = rows_of(&server, to, id).await;
        assert_eq!(rows.len(), 1, "{id}: {rows:?}");
        assert!(text(&rows[0], "error_detail").starts_with("interrupted"), "{id}: {rows:?}");
    }
    assert_eq!(rows_of(&server, &poll.id, "poll").await[0]["status"], "ok", "it waits to be fetched");
    for (to, id) in [(&ours, "ours-2"), (&push.id, "push-2")] {
        let answer = gets_through(&server, to, id).await;
        told_the_truth(&server, to, id, &answer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn target_r4_a_server_that_is_stopped_mid_call_ends_in_the_truth() {
    ends_mid_call(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn target_r4_a_server_that_is_killed_mid_call_ends_in_the_truth() {
    ends_mid_call(true).await;
}
