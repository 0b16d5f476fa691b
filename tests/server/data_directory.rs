//! One data directory: its schema, its backups, what a crash leaves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use serde_json::json;

use crate::support::{TestServer, server::output};

/// R7 of the targets: a database of a newer program is refused and stays as it is, byte by byte.
#[tokio::test]
async fn target_r7_a_newer_schema_is_refused_untouched() {
    let mut server = TestServer::start().await;
    server.stop();
    let path = server.data().join("molecule.db");
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 9_999).unwrap();
    drop(conn);
    let before = fs::read(&path).unwrap();
    let (code, _, complaint) = output(&mut server.command(&["serve", "--port", "0"]));
    assert_eq!(code, Some(1));
    assert!(complaint.contains("newer version of Molecule") && complaint.contains("9999"), "{complaint}");
    assert_eq!(fs::read(&path).unwrap(), before);

    let conn = Connection::open(&path).unwrap();
    let known: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'workspaces'", [], |row| row.get(0)).unwrap();
    assert_eq!(known, 1);
    conn.pragma_update(None, "user_version", molecule_store::migrate::current_version()).unwrap();
    drop(conn);
    server.restart().await;
}

/// Puts the database of a released program into a data directory that is still empty.
pub fn released(data: &Path) -> PathBuf {
    let path = data.join("molecule.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(include_str!("../../src-tauri/crates/store/testdata/released/1.sql")).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    path
}

/// The copies that starts have made.
pub fn backups(data: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(data.join("backups")) else { return Vec::new() };
    found.map(|entry| entry.unwrap().path()).collect()
}

/// The schema version of a database file.
pub fn schema_of(path: &Path) -> i64 {
    let conn = Connection::open(path).unwrap();
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// R7 of the targets: what a released program left opens, with everything in it, and a copy was made before.
#[tokio::test]
async fn s104_target_r7_the_data_of_a_released_program_opens_and_a_copy_was_made() {
    let builder = TestServer::builder();
    let path = released(&builder.data());
    let mut server = builder.start().await;
    let admin = server.admin();
    let rows = admin.get("/workspaces").await.expect(200);
    let told: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (row["name"].as_str(), row["status"].as_str())).collect();
    let bedded =
        |status| [(Some("Lead"), Some("offline")), (Some("Waiting"), Some("awaiting_agent")), (Some("Dozing"), status)];
    // What was being put to bed sleeps, as soon as the recovery has seen to it.
    assert!(
        [bedded(Some("hibernating")), bedded(Some("hibernated"))].contains(&told[..].try_into().unwrap()),
        "{told:?}"
    );
    let lead = "/workspaces/11111111-1111-4111-8111-111111111111";
    let log = admin.get(&format!("{lead}/activity")).await.expect(200);
    let ids: Vec<&str> = log.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.ends_with(&["a2", "a1"]), "{ids:?}");
    let memories = admin.get(&format!("{lead}/memories?q=friday")).await.expect(200);
    assert_eq!(memories[0]["id"], "mem1", "{memories}");
    server.stop();

    assert_eq!(schema_of(&path), molecule_store::migrate::current_version());
    let saved = backups(&server.data());
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert_eq!(schema_of(&saved[0]), 1);
    server.restart().await;
    assert_eq!(backups(&server.data()), saved, "a second start has nothing to save");
}

/// A lock that somebody else holds ends the start after five seconds; it is said, and nothing is changed.
#[tokio::test]
async fn s104_a_start_on_a_locked_database_gives_up_and_changes_nothing() {
    let builder = TestServer::builder();
    let path = released(&builder.data());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (code, _, complaint) = output(&mut builder.command());
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("locked by another program") && complaint.contains("nothing was changed"),
        "{complaint}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert_eq!(schema_of(&path), 1);
    let mut server = builder.start().await;
    server.stop();
    assert_eq!(schema_of(&path), molecule_store::migrate::current_version());
}

#[tokio::test]
async fn bad_input_a_file_that_is_no_database_is_told_and_kept() {
    let builder = TestServer::builder();
    let path = builder.data().join("molecule.db");
    fs::write(&path, "This is a letter, and not a database.\n".repeat(200)).unwrap();
    let before = fs::read(&path).unwrap();
    let (code, _, complaint) = output(&mut builder.command());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("damaged or not a database"), "{complaint}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_was_answered_survives_kill_9() {
    let mut server = TestServer::start().await;
    let admin = server.admin();
    let mut made = Vec::new();
    for n in 0..20 {
        let body = json!({"name": format!("Agent {n}"), "external": true});
        let row = admin.post("/workspaces", &body).await.expect(201);
        made.push(row["id"].as_str().unwrap().to_owned());
    }
    server.kill9();
    let check = Connection::open(server.data().join("molecule.db")).unwrap();
    let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    drop(check);
    server.restart().await;
    let rows = server.admin().get("/workspaces").await.expect(200);
    let there: Vec<&str> = rows.as_array().unwrap().iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(there, made, "every row that was answered with 201 is there, in order");
}

#[tokio::test]
async fn the_settings_of_the_database_are_the_durable_ones() {
    let mut server = TestServer::start().await;
    server.stop();
    let conn = Connection::open(server.data().join("molecule.db")).unwrap();
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let loose: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(loose.is_empty(), "tables that are not STRICT: {loose:?}");
}
