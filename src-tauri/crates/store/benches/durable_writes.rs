//! P3b: durable writes of many waiting tasks, against what SQLite itself does in one thread.
//!
//! 64 tasks each wait for the commit of their own 500-byte row. The reference writes the same rows into
//! the same table with the same settings, 64 to a transaction. Both take turns, round by round, so that a
//! noisy machine hits both; what counts is the median of the rounds' ratios.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, not a part of the product")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use molecule_model::Timestamp;
use molecule_store::{
    Store,
    rusqlite::{Connection, params},
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const WAITERS: usize = 64;
const TARGET: f64 = 0.85;

const TABLE: &str = "CREATE TABLE bench (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, body TEXT NOT NULL) STRICT;
                     CREATE INDEX bench_owner ON bench (owner, id);";
const INSERT: &str = "INSERT INTO bench (owner, body) VALUES (?1, ?2)";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let body: Arc<str> = "x".repeat(464).into();
    let owner = "5f0c7c1e-6a1b-4f0e-9d59-0c4e5a2b7d31";

    let now = || Timestamp::from_micros(1_700_000_000_000_000);
    let store = runtime.block_on(async {
        let store = Store::open(&folder.path().join("store.db"), Arc::new(now), Arc::new(|_| {})).unwrap();
        store.write(|tx| Ok(tx.execute_batch(TABLE)?)).await.unwrap();
        store
    });
    let raw = raw_connection(&folder.path().join("raw.db"));

    println!("P3b: rows a second, each on disk before its answer (synchronous=FULL)");
    println!("round   store, {WAITERS} waiting tasks   SQLite, one thread, {WAITERS} rows a commit   ratio");
    let mut ratios: Vec<f64> = (1..=ROUNDS)
        .map(|round| {
            let ours = runtime.block_on(store_rate(&store, owner, &body));
            let reference = raw_rate(&raw, owner, &body);
            let ratio = ours / reference;
            println!("{round:<7} {ours:<26.0} {reference:<42.0} {ratio:.2}");
            ratio
        })
        .collect();
    runtime.block_on(store.close());

    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    let verdict = if median >= TARGET { "reached" } else { "MISSED" };
    println!("P3b ratio, median of {ROUNDS} rounds: {median:.2} (target >= {TARGET:.2}: {verdict})");
}

fn raw_connection(path: &Path) -> Connection {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;",
    )
    .unwrap();
    raw.execute_batch(TABLE).unwrap();
    raw
}

async fn store_rate(store: &Store, owner: &'static str, body: &Arc<str>) -> f64 {
    let rows = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (store, body, rows) = (store.clone(), Arc::clone(body), Arc::clone(&rows));
            tokio::spawn(async move {
                while began.elapsed() < ROUND {
                    let body = Arc::clone(&body);
                    store
                        .write(move |tx| {
                            tx.prepare_cached(INSERT)?.execute(params![owner, &*body])?;
                            Ok(())
                        })
                        .await
                        .unwrap();
                    rows.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    rows.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

fn raw_rate(raw: &Connection, owner: &str, body: &str) -> f64 {
    let mut rows = 0_u64;
    let began = Instant::now();
    while began.elapsed() < ROUND {
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = raw.prepare_cached(INSERT).unwrap();
        for _ in 0..WAITERS {
            insert.execute(params![owner, body]).unwrap();
            rows += 1;
        }
        raw.execute_batch("COMMIT").unwrap();
    }
    rows as f64 / began.elapsed().as_secs_f64()
}
