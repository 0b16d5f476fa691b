//! Up and down between all schemas, what a failure leaves, what a lock does (S104, R7 of the targets).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    time::Duration,
};

use molecule_model::Timestamp;
use rusqlite::{Connection, types::Value};

use super::{MIGRATIONS, Now, OpenError, PATIENCE, apply, bring_to, connect_reader, connect_writer, prepare, version};

/// What lies on people's disks.
const RELEASED: [&str; 1] = [include_str!("../../testdata/released/1.sql")];

/// The ways back, from schema 2 on.
const DOWN: &[&str] = &[
    include_str!("../../../../../migrations/down/0002_queue.sql"),
    include_str!("../../../../../migrations/down/0003_search.sql"),
    include_str!("../../../../../migrations/down/0004_lean.sql"),
    include_str!("../../../../../migrations/down/0005_queue_depth.sql"),
];

fn now() -> Now {
    Arc::new(|| Timestamp::from_micros(1_700_000_000_000_000))
}

/// A folder with the database that a released program left.
fn left_by(released: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("molecule.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(released).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(conn);
    (folder, path)
}

fn fresh() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("molecule.db");
    prepare(&path, &now()).unwrap();
    schema(&Connection::open(&path).unwrap())
}

/// Every object by name. A table that was renamed is quoted by SQLite, which says nothing.
fn schema(conn: &Connection) -> Vec<String> {
    let mut query =
        conn.prepare("SELECT name || ': ' || sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let found = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    found.map(|sql| sql.unwrap().replace('"', "").split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The rows of a query, each as its values.
fn rows(conn: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut query = conn.prepare(sql).unwrap();
    let columns = query.column_count();
    let found = query.query_map([], |row| (0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<_>>>());
    found.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn words(conn: &Connection, sql: &str) -> Vec<String> {
    let mut query = conn.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn is_sound(conn: &Connection) {
    assert_eq!(words(conn, "PRAGMA integrity_check"), ["ok"]);
    assert!(rows(conn, "PRAGMA foreign_key_check").is_empty());
}

fn backups(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder.join("backups")) else { return Vec::new() };
    let mut found: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// The rows of every table, without those that a later schema may fill by itself.
fn contents(conn: &Connection) -> Vec<(String, Vec<Vec<Value>>)> {
    let tables = words(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts%'
         AND name <> 'activity_changed' ORDER BY name",
    );
    let rows_of = |table: &String| {
        let columns = words(conn, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name"));
        rows(conn, &format!("SELECT {0} FROM {table} ORDER BY {0}", columns.join(", ")))
    };
    tables.iter().map(|table| (table.clone(), rows_of(table))).collect()
}

#[test]
fn s104_every_migration_is_in_the_program_and_has_a_way_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../migrations");
    let texts = |folder: &Path| {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "sql"));
        files.sort();
        files.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&folder), MIGRATIONS);
    assert_eq!(texts(&folder.join("down")), DOWN);
    assert_eq!(DOWN.len(), MIGRATIONS.len() - 1, "each but the first has its way back in migrations/down/");
}

#[test]
fn s104_target_r7_every_released_schema_becomes_todays_and_loses_nothing() {
    let today = fresh();
    for (released, text) in (1..).zip(RELEASED) {
        let (folder, path) = left_by(text);
        let before = contents(&Connection::open(&path).unwrap());
        assert!(before.iter().all(|(table, rows)| !rows.is_empty() || panic!("the sample has no {table}")));
        prepare(&path, &now()).unwrap();
        let conn = Connection::open(&path).unwrap();
        assert_eq!(version(&conn).unwrap(), MIGRATIONS.len());
        assert_eq!(schema(&conn), today, "as if it had been made today");
        is_sound(&conn);
        for (table, rows) in &before {
            let there = contents(&conn).into_iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| rows.len());
            assert_eq!(there, rows.len(), "{table}");
        }
        assert_eq!(words(&conn, "SELECT id FROM a2a_queue ORDER BY seq"), ["q0", "q1", "q2"], "the order they came in");
        let found = "SELECT m.id FROM agent_memories_fts f JOIN agent_memories m ON m.seq = f.rowid WHERE agent_memories_fts MATCH 'friday'";
        assert_eq!(words(&conn, found), ["mem1"]);

        // The copy was made before anything was changed, and it is what a person goes back to.
        let saved = backups(folder.path());
        assert_eq!(saved.len(), 1, "{saved:?}");
        let name = saved[0].file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name, format!("schema-{released}-2023-11-14T22-13-20.000000Z.db"));
        let saved = Connection::open(&saved[0]).unwrap();
        assert_eq!(version(&saved).unwrap(), released);
        assert_eq!(contents(&saved), before);
        is_sound(&saved);
    }
}

#[test]
fn s104_a_second_start_migrates_nothing_and_saves_nothing() {
    let (folder, path) = left_by(RELEASED[0]);
    prepare(&path, &now()).unwrap();
    let (before, saved) = (fs::read(&path).unwrap(), backups(folder.path()));
    prepare(&path, &now()).unwrap();
    assert_eq!((fs::read(&path).unwrap(), backups(folder.path())), (before, saved));
    let mut conn = Connection::open(&path).unwrap();
    for (number, sql) in (1..).zip(MIGRATIONS) {
        assert!(!apply(&mut conn, number, sql).unwrap(), "{number} is applied once");
    }
}

#[test]
fn s104_starts_at_the_same_time_migrate_once() {
    let (_folder, path) = left_by(RELEASED[0]);
    let gate = Barrier::new(7);
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..7i64)
            .map(|n| {
                let (gate, path) = (&gate, &path);
                scope.spawn(move || {
                    // Each has a clock of its own: the copies do not get in each other's way.
                    let now: Now = Arc::new(move || Timestamp::from_micros(1_700_000_000_000_000 + n));
                    gate.wait();
                    bring_to(path, &now, MIGRATIONS, Duration::from_secs(60))
                })
            })
            .collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    });
    let conn = Connection::open(&path).unwrap();
    assert_eq!(schema(&conn), fresh());
    is_sound(&conn);
    assert_eq!(words(&conn, "SELECT id FROM a2a_queue ORDER BY seq"), ["q0", "q1", "q2"]);
}

#[test]
fn s104_a_migration_that_fails_is_undone_whole_and_the_copy_is_there() {
    let (folder, path) = left_by(RELEASED[0]);
    let before = contents(&Connection::open(&path).unwrap());
    let broken = "CREATE TABLE half (x TEXT) STRICT; DELETE FROM meta; INSERT INTO nowhere VALUES (1);";
    let failed = bring_to(&path, &now(), &[MIGRATIONS[0], broken], PATIENCE).unwrap_err();
    assert!(matches!(failed, OpenError::Migration { number: 2, saved: true, .. }), "{failed:?}");
    assert!(failed.to_string().contains("lies in backups/"), "{failed}");
    let conn = Connection::open(&path).unwrap();
    assert_eq!((version(&conn).unwrap(), contents(&conn)), (1, before.clone()));
    assert_eq!(contents(&Connection::open(&backups(folder.path())[0]).unwrap()), before);
    drop(conn);
    // The repaired program goes on from there.
    prepare(&path, &now()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let failed = bring_to(&folder.path().join("molecule.db"), &now(), &[broken], PATIENCE).unwrap_err();
    assert!(matches!(failed, OpenError::Migration { number: 1, saved: false, .. }), "{failed:?}");
    assert!(!failed.to_string().contains("backups"), "nothing was there to save: {failed}");
}

#[test]
fn s104_without_a_copy_nothing_is_migrated() {
    let (folder, path) = left_by(RELEASED[0]);
    fs::write(folder.path().join("backups"), "a file where the folder should be").unwrap();
    let before = fs::read(&path).unwrap();
    let refused = prepare(&path, &now()).unwrap_err();
    assert!(matches!(refused, OpenError::Backup(_)), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A crash leaves the newest rows in the log beside the file.
#[test]
fn s104_the_copy_has_what_was_not_yet_in_the_file_itself() {
    let (folder, path) = left_by(RELEASED[0]);
    let crashed = Connection::open(&path).unwrap();
    crashed.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO meta VALUES ('late', 'yes');").unwrap();
    prepare(&path, &now()).unwrap();
    for path in [&path, &backups(folder.path())[0]] {
        let conn = Connection::open(path).unwrap();
        assert_eq!(words(&conn, "SELECT value FROM meta WHERE key = 'late'"), ["yes"], "{}", path.display());
    }
}

#[test]
fn s104_a_lock_ends_the_way_up_and_the_way_down() {
    assert_eq!(PATIENCE, Duration::from_secs(5));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("molecule.db");
    prepare(&path, &now()).unwrap();
    for conn in [connect_writer(&path).unwrap(), connect_reader(&path).unwrap()] {
        let waits: i64 = conn.query_row("PRAGMA busy_timeout", [], |row| row.get(0)).unwrap();
        assert_eq!(waits, 5_000);
    }

    let soon = Duration::from_millis(20);
    let (_folder, path) = left_by(RELEASED[0]);
    let other = Connection::open(&path).unwrap();
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        other.execute_batch(lock).unwrap();
        let refused = bring_to(&path, &now(), MIGRATIONS, soon).unwrap_err();
        assert!(matches!(refused, OpenError::Locked(_)), "{lock}: {refused:?}");
        assert_eq!(version(&other).unwrap(), 1);
        other.execute_batch("ROLLBACK").unwrap();
    }
    drop(other);
    prepare(&path, &now()).unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut conn = Connection::open(&path).unwrap();
    conn.busy_timeout(soon).unwrap();
    let refused = undo(&mut conn, MIGRATIONS.len()).unwrap_err();
    assert!(super::is_locked(&refused), "{refused:?}");
    assert_eq!(version(&other).unwrap(), MIGRATIONS.len());
}

/// One step back, all of it or nothing.
fn undo(conn: &mut Connection, number: usize) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    tx.execute_batch(DOWN[number - 2])?;
    tx.pragma_update(None, "user_version", i64::try_from(number - 1).unwrap())?;
    tx.commit()
}

/// The words for statuses that the hosted product's older schemas lack are in our first one: nothing has to be mapped.
#[test]
fn s104_down_and_up_again_is_the_same_schema_with_the_same_rows() {
    let (_folder, path) = left_by(RELEASED[0]);
    let oldest = Connection::open(&path).unwrap();
    let (first_schema, first) = (schema(&oldest), contents(&oldest));
    drop(oldest);
    prepare(&path, &now()).unwrap();
    let mut conn = Connection::open(&path).unwrap();
    let (today, filled) = (schema(&conn), contents(&conn));
    let mut between = Vec::new();
    for number in (2..=MIGRATIONS.len()).rev() {
        undo(&mut conn, number).unwrap();
        is_sound(&conn);
        between.push((number, schema(&conn)));
    }
    assert_eq!((version(&conn).unwrap(), schema(&conn), contents(&conn)), (1, first_schema, first));
    for (number, sql) in (1..).zip(MIGRATIONS).skip(1) {
        assert!(between.contains(&(number, schema(&conn))), "back from {number} is where it came from");
        assert!(apply(&mut conn, number, sql).unwrap());
    }
    assert_eq!((schema(&conn), contents(&conn)), (today, filled));
}

/// What the older schema cannot say is mapped to what it can: two senders with one key (R-2 of the queue).
#[test]
fn s104_the_way_down_keeps_both_messages_of_two_senders_with_one_key() {
    let (_folder, path) = left_by(RELEASED[0]);
    bring_to(&path, &now(), &MIGRATIONS[..2], PATIENCE).unwrap();
    let mut conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "INSERT INTO a2a_queue (id, workspace_id, caller_id, body, idempotency_key, enqueued_at)
         SELECT 'q3', workspace_id, '11111111-1111-4111-8111-111111111111', body, 'm2', enqueued_at FROM a2a_queue WHERE id = 'q2'",
    )
    .unwrap();
    undo(&mut conn, 2).unwrap();
    let kept = words(&conn, "SELECT id || ' ' || coalesce(idempotency_key, '-') FROM a2a_queue ORDER BY id");
    assert_eq!(kept, ["q0 m1", "q1 m1", "q2 m2", "q3 -"]);
    is_sound(&conn);
}
