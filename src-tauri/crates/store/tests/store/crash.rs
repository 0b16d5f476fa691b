//! R1 of the targets, in small: `kill -9` while eight tasks write; what was answered is on disk.
//!
//! The test binary starts itself again as the writer and kills it.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use molecule_model::event::EventKind;
use molecule_store::rusqlite::Connection;
use serde_json::json;

use super::bed::{insert, open};

const ROUNDS: usize = 5;
const FOLDER: &str = "MOLECULE_STORE_TEST_FOLDER";

#[test]
#[ignore = "the writer that target_r1 starts and kills"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped writer: it is started by target_r1");
        return;
    };
    let path = std::path::Path::new(&folder).join("molecule.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (store, _) = open(&path).unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    loop {
                        let id = molecule_model::WorkspaceId::random();
                        let job = move |tx: &mut molecule_store::Tx<'_>| {
                            insert(tx, id)?;
                            tx.record(EventKind::WorkspaceProvisioning, id, json!({}))
                        };
                        store.write(job).await.unwrap();
                        // Answered; whoever reads this line may rely on the row.
                        writeln!(std::io::stdout(), "row {id}").unwrap();
                    }
                })
            })
            .collect();
        // They write until they are killed.
        all_of(tasks).await;
    });
}

async fn all_of(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn target_r1_what_was_answered_survives_kill_9_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "crash::writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // A different moment each round, always in the middle of the work.
        let until = answered.len() + 40 + 37 * round;
        while answered.len() < until {
            let line = lines.next().expect("the writer ended by itself").unwrap();
            if let Some(id) = line.trim().strip_prefix("row ") {
                answered.insert(id.to_owned());
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it still said before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(id) = line.trim().strip_prefix("row ").filter(|id| id.len() == 36) {
                answered.insert(id.to_owned());
            }
        }

        let conn = Connection::open(folder.path().join("molecule.db")).unwrap();
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        let all = |sql: &str| {
            let mut query = conn.prepare(sql).unwrap();
            query.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap()
        };
        let rows: BTreeSet<String> = all("SELECT id FROM workspaces").into_iter().collect();
        let missing: Vec<_> = answered.difference(&rows).collect();
        assert!(missing.is_empty(), "round {round}: answered and not there: {missing:?}");
        let events = all("SELECT workspace_id FROM structure_events");
        assert_eq!(events.len(), rows.len(), "round {round}: one event a row");
        assert_eq!(events.into_iter().collect::<BTreeSet<_>>(), rows, "round {round}: no event without its row");
    }
}
