//! One writer: what an answer means, and what one job's failure does to the others of its commit.

use std::sync::{Arc, Mutex, mpsc};

use molecule_model::event::EventKind;
use molecule_store::{Error, Store, outbox, rusqlite::Connection};
use serde_json::json;

use super::bed::Bed;

async fn put(store: &Store, key: &'static str) -> molecule_store::Result<()> {
    store.write(move |tx| Ok(tx.execute("INSERT INTO meta (key, value) VALUES (?1, '')", [key]).map(drop)?)).await
}

async fn keys(store: &Store) -> Vec<String> {
    let list = |conn: &Connection| {
        let mut query = conn.prepare("SELECT key FROM meta ORDER BY key")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    store.read(list).await.unwrap()
}

/// Jobs that are handed in while the writer is held at the gate, so that one commit takes them all.
struct Gate {
    open: mpsc::Sender<()>,
    held: tokio::task::JoinHandle<molecule_store::Result<()>>,
}

impl Gate {
    async fn shut(store: &Store) -> Self {
        let (open, gate) = mpsc::channel::<()>();
        let (inside, entered) = tokio::sync::oneshot::channel();
        let (gate, inside) = (Mutex::new(gate), Mutex::new(Some(inside)));
        let store = store.clone();
        let held = tokio::spawn(async move {
            let job = move |_: &mut molecule_store::Tx<'_>| {
                if let Some(inside) = inside.lock().unwrap().take() {
                    inside.send(()).unwrap();
                    gate.lock().unwrap().recv().unwrap_or_default();
                }
                Ok(())
            };
            store.write(job).await
        });
        entered.await.unwrap();
        Self { open, held }
    }

    async fn open(self) {
        self.open.send(()).unwrap();
        self.held.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_answer_means_that_another_connection_sees_the_row() {
    let bed = Bed::new();
    put(&bed.store, "here").await.unwrap();
    let other = Connection::open(bed.folder.path().join("molecule.db")).unwrap();
    let seen: i64 = other.query_row("SELECT count(*) FROM meta WHERE key = 'here'", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn jobs_that_wait_share_one_commit() {
    let bed = Bed::new();
    let gate = Gate::shut(&bed.store).await;
    let times: Vec<_> = (0..32)
        .map(|_| {
            let store = bed.store.clone();
            tokio::spawn(async move { store.write(|tx| Ok(tx.now())).await.unwrap() })
        })
        .collect();
    // Let every task hand its job in before the writer may go on.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    gate.open().await;
    let mut seen = std::collections::BTreeSet::new();
    for time in times {
        seen.insert(time.await.unwrap());
    }
    assert!(seen.len() < 4, "32 waiting jobs took {} transactions", seen.len());
}

#[tokio::test]
async fn a_job_that_fails_takes_nobody_with_it() {
    let bed = Bed::new();
    put(&bed.store, "taken").await.unwrap();
    let gate = Gate::shut(&bed.store).await;
    let jobs: Vec<_> = ["a", "taken", "b", "c"]
        .into_iter()
        .map(|key| {
            let store = bed.store.clone();
            tokio::spawn(async move { put(&store, key).await })
        })
        .collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    gate.open().await;
    let mut good = Vec::new();
    for job in jobs {
        good.push(job.await.unwrap().is_ok());
    }
    assert_eq!(good, [true, false, true, true]);
    assert_eq!(keys(&bed.store).await, ["a", "b", "c", "taken"]);
}

#[tokio::test]
async fn a_job_that_panics_is_undone_and_the_writer_goes_on() {
    let bed = Bed::new();
    let panics = |tx: &mut molecule_store::Tx<'_>| -> molecule_store::Result<()> {
        tx.execute("INSERT INTO meta (key, value) VALUES ('half', '')", [])?;
        std::panic::resume_unwind(Box::new("a bug"));
    };
    let outcome = bed.store.write(panics).await;
    assert!(matches!(outcome, Err(Error::Panicked)), "{outcome:?}");
    put(&bed.store, "whole").await.unwrap();
    assert_eq!(keys(&bed.store).await, ["whole"]);
}

/// Idea 1: no event without its state, and no state without its event.
#[tokio::test]
async fn s167_an_event_is_published_with_its_number_after_its_commit_and_never_without() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    let failed = bed
        .store
        .write(move |tx| {
            tx.record(EventKind::WorkspaceOnline, id, json!({"n": 0}))?;
            Err::<(), _>(Error::Stored { what: "test" })
        })
        .await;
    assert!(failed.is_err());
    assert!(bed.heard.lock().unwrap().is_empty(), "its change was undone");

    let path = bed.folder.path().join("molecule.db");
    for n in 1..=3 {
        let job = move |tx: &mut molecule_store::Tx<'_>| tx.record(EventKind::WorkspaceOnline, id, json!({"n": n}));
        let seq = bed.store.write(job).await.unwrap();
        // whoever has its answer finds its event on the bus and its row on the disk.
        let heard: Vec<i64> = bed.heard.lock().unwrap().iter().flatten().map(|event| event.seq).collect();
        assert_eq!(heard.last(), Some(&seq));
        let other = Connection::open(&path).unwrap();
        let there: i64 =
            other.query_row("SELECT count(*) FROM structure_events WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
        assert_eq!(there, 1);
    }
    let numbers: Vec<i64> = bed.heard.lock().unwrap().iter().flatten().map(|event| event.seq).collect();
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");
    let stored = bed.store.read(|conn| outbox::since(conn, 0, 10)).await.unwrap();
    assert_eq!(stored.iter().map(|event| event.seq).collect::<Vec<_>>(), numbers);
}

/// When a commit is done again because a neighbour failed, its events come once.
#[tokio::test]
async fn a_commit_that_is_done_again_publishes_each_event_once() {
    let bed = Bed::new();
    let id = bed.workspace().await;
    let gate = Gate::shut(&bed.store).await;
    let runs = Arc::new(Mutex::new(0));
    let good = {
        let (store, runs) = (bed.store.clone(), Arc::clone(&runs));
        tokio::spawn(async move {
            let job = move |tx: &mut molecule_store::Tx<'_>| {
                *runs.lock().unwrap() += 1;
                tx.record(EventKind::WorkspaceOnline, id, json!({}))
            };
            store.write(job).await.unwrap()
        })
    };
    let bad = {
        let store = bed.store.clone();
        tokio::spawn(async move { store.write(|_| Err::<(), _>(Error::Stored { what: "test" })).await })
    };
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    gate.open().await;
    let seq = good.await.unwrap();
    assert!(bad.await.unwrap().is_err());
    assert_eq!(*runs.lock().unwrap(), 2, "its commit was done again");
    let heard: Vec<i64> = bed.heard.lock().unwrap().iter().flatten().map(|event| event.seq).collect();
    assert_eq!(heard, [seq]);
}

#[tokio::test]
async fn a_reader_cannot_write_and_a_closed_store_refuses() {
    let bed = Bed::new();
    let write = |conn: &Connection| Ok(conn.execute("INSERT INTO meta (key, value) VALUES ('x', '')", [])?);
    assert!(bed.store.read(write).await.is_err());
    let sneaky = |conn: &Connection| {
        let rows: String = conn.query_row("DELETE FROM meta RETURNING key", [], |row| row.get(0))?;
        Ok(rows)
    };
    put(&bed.store, "kept").await.unwrap();
    assert!(bed.store.read(sneaky).await.is_err());
    assert_eq!(keys(&bed.store).await, ["kept"]);

    bed.store.close().await;
    assert!(matches!(put(&bed.store, "late").await, Err(Error::Closed)));
    assert_eq!(keys(&bed.store).await, ["kept"], "it can still be read");
}

#[tokio::test]
async fn a_query_that_panics_costs_no_connection() {
    let bed = Bed::new();
    for _ in 0..8 {
        let broken = |_: &Connection| -> molecule_store::Result<()> { std::panic::resume_unwind(Box::new("a bug")) };
        assert!(matches!(bed.store.read(broken).await, Err(Error::Panicked)));
    }
    assert_eq!(keys(&bed.store).await, Vec::<String>::new());
}
