//! R1: `kill -9` of the server at a random moment under load, again and again. Nothing that was acknowledged is
//! missing, nothing is there twice, and what is shown is so.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::bed::{local, message, pid_of, text, truly_online};
use crate::support::{Api, Dice, FakeAgent, TestServer, eventually, process};

/// Kills; `KILL_ROUNDS` says otherwise (`make soak`).
const ROUNDS: u64 = 50;
/// Agents of somebody else that answer at once; every tenth one fetches instead.
const AGENTS: usize = 20;
/// Between two messages: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// A round lasts up to so long under load, milliseconds.
const LONGEST: u64 = 1_200;

/// The ids of messages by how they were acknowledged.
#[derive(Default)]
struct Acknowledged {
    answered: BTreeSet<String>,
    queued: BTreeSet<String>,
    sent: usize,
}

type Shared = Arc<Mutex<Acknowledged>>;

/// Sends to everybody in turn until told to stop; while the server is away, nothing arrives and nobody minds.
async fn load(api: Api, targets: Vec<String>, shared: Shared, stop: Arc<AtomicBool>) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut open = tokio::task::JoinSet::new();
    for target in targets.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        pace.tick().await;
        while open.try_join_next().is_some() {}
        let (api, target, shared) = (api.clone(), target.clone(), Arc::clone(&shared));
        open.spawn(async move {
            let id = uuid::Uuid::new_v4().to_string();
            shared.lock().unwrap().sent += 1;
            let request = api.request(reqwest::Method::POST, &format!("/workspaces/{target}/a2a"));
            let Ok(answer) = api.try_send(request.json(&message(&id))).await else { return };
            let mut shared = shared.lock().unwrap();
            match answer.status {
                200 => shared.answered.insert(id),
                202 => shared.queued.insert(id),
                _ => false,
            };
        });
    }
    open.join_all().await;
}

async fn agents(server: &TestServer, agent: &FakeAgent) -> Vec<String> {
    let api = server.admin();
    let mut ids = Vec::new();
    for n in 0..AGENTS {
        let body = if n % 10 == 9 {
            json!({"name": format!("Fetches {n}"), "external": true, "delivery_mode": "poll"})
        } else {
            json!({"name": format!("Answers {n}"), "external": true, "delivery_mode": "push", "url": agent.url()})
        };
        ids.push(text(&api.post("/workspaces", &body).await.expect(201), "id"));
    }
    ids
}

/// How often each message was written down as done, and which wait in the queue.
fn written(database: &Path) -> (BTreeMap<String, u32>, BTreeSet<String>) {
    let conn = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let whole: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let broken: i64 = conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0, "rows whose workspace is not there");
    let mut query = conn
        .prepare(
            "SELECT request_body ->> '$.params.message.messageId' AS id, count(*) FROM activity_logs
             WHERE activity_type = 'a2a_receive' AND status = 'ok' AND id IS NOT NULL GROUP BY id",
        )
        .unwrap();
    let done = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let done = done.collect::<Result<_, _>>().unwrap();
    let mut query = conn
        .prepare(
            "SELECT body ->> '$.params.message.messageId' AS id FROM a2a_queue
             WHERE id IS NOT NULL AND status IN ('queued', 'dispatched')",
        )
        .unwrap();
    let waiting = query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    (done, waiting)
}

fn check(server: &TestServer, acknowledged: &Acknowledged, round: u64) {
    let (done, waiting) = written(&server.data().join("molecule.db"));
    let twice: Vec<&String> = done.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    assert!(twice.is_empty(), "round {round}: written as answered twice: {twice:?}");
    let missing: Vec<&String> = acknowledged.answered.iter().filter(|id| !done.contains_key(*id)).collect();
    assert!(missing.is_empty(), "round {round}: acknowledged and not there: {missing:?}");
    let lost: Vec<&String> =
        acknowledged.queued.iter().filter(|id| !done.contains_key(*id) && !waiting.contains(*id)).collect();
    assert!(lost.is_empty(), "round {round}: accepted into the queue and gone: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn target_r1_kills_under_load_lose_nothing_and_double_nothing() {
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut dice = Dice::new();
    let mut server = TestServer::start().await;
    let port = server.port();
    let agent = FakeAgent::start().await;
    let mut targets = agents(&server, &agent).await;
    let ours = [local(&server, "Ours 1", 5).await, local(&server, "Ours 2", 5).await];
    targets.extend(ours.iter().cloned());
    let (shared, stop) = (Shared::default(), Arc::new(AtomicBool::new(false)));
    let loading = tokio::spawn(load(server.admin(), targets.clone(), Arc::clone(&shared), Arc::clone(&stop)));
    for round in 1..=rounds {
        tokio::time::sleep(Duration::from_millis(dice.below(LONGEST))).await;
        let old = server.agents();
        server.kill9();
        for pid in old {
            assert!(
                process::ends_within(pid, Duration::from_secs(10)),
                "round {round}: agent {pid} outlived its server"
            );
        }
        check(&server, &shared.lock().unwrap(), round);
        server.restart_on_the_same_port(port).await;
        // Some kills meet a start that has just begun; every now and then the dust may settle.
        if round % 10 == 0 {
            for id in &ours {
                truly_settled(&server, id).await;
            }
        }
    }
    let before = shared.lock().unwrap().answered.len();
    eventually("the load to get through once more", || async {
        let now = shared.lock().unwrap().answered.len();
        if now > before + 100 { Ok(()) } else { Err(format!("{now} answered")) }
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    loading.await.unwrap();
    for id in &ours {
        truly_online(&server, id).await;
    }
    for id in &targets {
        let open = server.admin().get(&format!("/workspaces/{id}/inflight")).await.expect(200);
        assert_eq!(open, json!([]), "nothing is still being answered");
    }
    let listed = server.admin().get("/workspaces").await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), targets.len());
    assert_eq!(server.agents().len(), ours.len(), "one process for each agent of ours");
    server.stop();
    let acknowledged = shared.lock().unwrap();
    check(&server, &acknowledged, rounds + 1);
    let (sent, answered, queued) = (acknowledged.sent, acknowledged.answered.len(), acknowledged.queued.len());
    println!("{rounds} kills: {sent} sent, {answered} answered, {queued} accepted into the queue");
    assert!(answered > 1_000.min(usize::try_from(rounds * 20).unwrap()), "the load was a load: {answered}");
}

/// Under load something is always on its way; what is shown of the process has to be so all the same.
async fn truly_settled(server: &TestServer, id: &str) {
    eventually(format!("{id} to be online by a process that lives"), || async {
        let row: Value = server.admin().get(&format!("/workspaces/{id}")).await.expect(200);
        let pid = pid_of(server, id).filter(|pid| server.agents().contains(pid));
        if row["status"] == "online" && pid.is_some() { Ok(()) } else { Err(format!("{} {pid:?}", row["status"])) }
    })
    .await;
}
