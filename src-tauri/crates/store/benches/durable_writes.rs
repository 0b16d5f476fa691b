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

/// What a round did, and where the time of one commit went.
struct Spent {
    rows: u64,
    commits: u64,
    whole: Duration,
    /// Inside the statements; what is left is the commit itself (disk) and whatever hands rows around.
    running: Duration,
}

impl Spent {
    fn rate(&self) -> f64 {
        self.rows as f64 / self.whole.as_secs_f64()
    }

    fn micros_a_row(&self, what: Duration) -> f64 {
        what.as_secs_f64() * 1e6 / self.rows as f64
    }

    fn rows_a_commit(&self) -> f64 {
        self.rows as f64 / self.commits as f64
    }
}

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

    // The store asks for the time once a transaction, which is how its commits are counted.
    let commits = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&commits);
    let now = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_micros(1_700_000_000_000_000)
    };
    let store = runtime.block_on(async {
        let store = Store::open(&folder.path().join("store.db"), Arc::new(now), Arc::new(|_| {})).unwrap();
        store.write(|tx| Ok(tx.execute_batch(TABLE)?)).await.unwrap();
        store
    });
    let raw = raw_connection(&folder.path().join("raw.db"));

    println!("P3b: rows a second, each on disk before its answer (synchronous=FULL)");
    println!("round   store, {WAITERS} waiting tasks   SQLite, one thread, {WAITERS} rows a commit   ratio");
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let ours = runtime.block_on(store_round(&store, owner, &body, &commits));
        let reference = raw_round(&raw, owner, &body);
        let ratio = ours.rate() / reference.rate();
        println!("{round:<7} {:<26.0} {:<42.0} {ratio:.2}", ours.rate(), reference.rate());
        rounds.push((ratio, ours, reference));
    }
    runtime.block_on(store.close());

    rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (median, ours, reference) = &rounds[ROUNDS / 2];
    let verdict = if *median >= TARGET { "reached" } else { "MISSED" };
    println!("P3b ratio, median of {ROUNDS} rounds: {median:.2} (target >= {TARGET:.2}: {verdict})");
    println!("profile of that round   rows a commit   us a row: whole   in statements   commit and the rest");
    for (name, spent) in [("store", ours), ("SQLite", reference)] {
        println!(
            "{name:<23} {:<15.1} {:<17.2} {:<15.2} {:.2}",
            spent.rows_a_commit(),
            spent.micros_a_row(spent.whole),
            spent.micros_a_row(spent.running),
            spent.micros_a_row(spent.whole.saturating_sub(spent.running)),
        );
    }
}

/// As the store sets its own connection.
fn raw_connection(path: &Path) -> Connection {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;",
    )
    .unwrap();
    raw.execute_batch(TABLE).unwrap();
    raw
}

async fn store_round(store: &Store, owner: &'static str, body: &Arc<str>, commits: &AtomicU64) -> Spent {
    let (rows, running) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let before = commits.load(Ordering::Relaxed);
    let began = Instant::now();
    let tasks: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (store, body) = (store.clone(), Arc::clone(body));
            let (rows, running) = (Arc::clone(&rows), Arc::clone(&running));
            tokio::spawn(async move {
                while began.elapsed() < ROUND {
                    let (body, running) = (Arc::clone(&body), Arc::clone(&running));
                    store
                        .write(move |tx| {
                            let started = Instant::now();
                            tx.prepare_cached(INSERT)?.execute(params![owner, &*body])?;
                            running.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
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
    Spent {
        rows: rows.load(Ordering::Relaxed),
        commits: commits.load(Ordering::Relaxed) - before,
        whole: began.elapsed(),
        running: Duration::from_nanos(running.load(Ordering::Relaxed)),
    }
}

fn raw_round(raw: &Connection, owner: &str, body: &str) -> Spent {
    let (mut rows, mut commits, mut running) = (0_u64, 0_u64, Duration::ZERO);
    let began = Instant::now();
    while began.elapsed() < ROUND {
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut insert = raw.prepare_cached(INSERT).unwrap();
        for _ in 0..WAITERS {
            let started = Instant::now();
            insert.execute(params![owner, body]).unwrap();
            running += started.elapsed();
            rows += 1;
        }
        raw.execute_batch("COMMIT").unwrap();
        commits += 1;
    }
    Spent { rows, commits, whole: began.elapsed(), running }
}
