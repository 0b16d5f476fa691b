//! One data directory: its schema, its backups, what a crash leaves.

use std::fs;

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
