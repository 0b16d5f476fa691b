//! Done when 4: kills at random moments, of agents and of the server.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Mutex;

use super::bed::{everybody_online, message, named, organisation, received, text};
use crate::support::{Dice, TestServer, eventually, process};

const AGENT_KILLS: usize = 20;
const SERVER_KILLS: usize = 10;

/// Sends small questions to the whole team until told to stop; keeps the ids of those that were answered (2xx)
/// and of all that were sent.
#[derive(Default)]
struct Load {
    answered: BTreeSet<String>,
    sent: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn done_when_4_kills_lose_nothing_that_was_acknowledged() {
    let mut dice = Dice::new();
    let mut server = TestServer::start().await;
    let port = server.port();
    let members = organisation(&server, "code-review").await;
    let targets: Vec<String> = ["Correctness reviewer", "Security reviewer", "Readability reviewer"]
        .iter()
        .map(|name| named(&members, name).id.clone())
        .collect();
    // Short turns, so that kills meet them at every stage.
    for target in &targets {
        let config = server.data().join("workspaces").join(target).join("configs/config.yaml");
        std::fs::write(config, "name: Quick\nmodel: rehearsal\nrehearsal:\n  words_per_second: 0\n  rules:\n    - steps: [{wait_ms: 30}, {reply: fine}]\n").unwrap();
    }
    let load = Arc::new(Mutex::new(Load::default()));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let senders: Vec<_> = targets
        .iter()
        .map(|target| {
            let (api, load, stop, target) = (server.admin(), Arc::clone(&load), Arc::clone(&stop), target.clone());
            tokio::spawn(async move {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let id = uuid::Uuid::new_v4().to_string();
                    load.lock().await.sent.insert(id.clone());
                    let request = api.request(reqwest::Method::POST, &format!("/workspaces/{target}/a2a"));
                    let body = message("Anything?", &id).to_string();
                    let answer = api.try_send(request.header("content-type", "application/json").body(body)).await;
                    match answer {
                        Ok(answer) if (200..300).contains(&answer.status) => {
                            load.lock().await.answered.insert(id);
                        }
                        // Away for a moment: a person would wait a little, too.
                        _ => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            })
        })
        .collect();

    let mut agents_left = AGENT_KILLS;
    for round in 0..SERVER_KILLS {
        let before = load.lock().await.answered.len();
        eventually("the load to get through", || async {
            let answered = load.lock().await.answered.len();
            if answered >= before + 5 { Ok(()) } else { Err(format!("{answered} answered")) }
        })
        .await;
        for _ in 0..agents_left.div_ceil(SERVER_KILLS - round) {
            // A moment inside the work: the load runs, so this is not a wait for anything.
            tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
            let alive = server.agents();
            if alive.is_empty() {
                continue;
            }
            let pick = usize::try_from(dice.below(u64::try_from(alive.len()).unwrap())).unwrap();
            process::kill9(alive[pick]);
            agents_left -= 1;
        }
        tokio::time::sleep(Duration::from_millis(dice.below(300))).await;
        let orphans = server.agents();
        server.kill9();
        for pid in orphans {
            assert!(process::ends_within(pid, Duration::from_secs(10)), "agent {pid} outlived its server");
        }
        server.restart_on_the_same_port(port).await;
    }
    assert_eq!(agents_left, 0, "all agents that were to be killed were");
    everybody_online(&server, members.len()).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    // Nothing acknowledged is missing; what was cut off is shown as interrupted; nothing hangs in the air.
    let api = server.admin();
    let load = load.lock().await;
    let mut ok = BTreeSet::new();
    let mut interrupted = 0;
    for target in &targets {
        for row in received(&api, target).await {
            let id = row["request_body"]["params"]["message"]["messageId"].as_str().unwrap_or_default().to_owned();
            match text(&row, "status").as_str() {
                "ok" => assert!(ok.insert(id.clone()), "{id} was answered twice"),
                "error" => interrupted += usize::from(text(&row, "error_detail").starts_with("interrupted")),
                other => panic!("a row in an odd state {other}: {row}"),
            }
        }
        let open = api.get(&format!("/workspaces/{target}/inflight")).await.expect(200);
        assert_eq!(open, Value::Array(Vec::new()), "nothing is still being answered");
    }
    let missing: Vec<&String> = load.answered.difference(&ok).collect();
    assert!(
        missing.is_empty(),
        "{} of {} acknowledged messages have no row: {missing:?}",
        missing.len(),
        load.answered.len()
    );
    println!("{} sent, {} answered, {interrupted} shown as interrupted", load.sent.len(), load.answered.len());
    assert!(load.answered.len() > 20, "the load was a load: {}", load.answered.len());

    let before = server.agents();
    server.stop();
    eventually("no agent to be left", || async {
        let left: Vec<&u32> = before.iter().filter(|pid| process::is_alive(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
