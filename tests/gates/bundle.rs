//! S310: what lies in the tree is in the binary. The tree is compared with what the running program
//! serves, so that a list nobody keeps up cannot lie.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path};

use rusqlite::Connection;
use serde_json::Value;

use super::tree::{below, root};
use crate::support::TestServer;

/// Names that are in `tree` and not in `served`.
fn missing(tree: &BTreeSet<String>, served: &BTreeSet<String>, what: &str, where_to: &str) -> Vec<String> {
    tree.difference(served).map(|name| format!("S310: {what} {name} is not in the binary: {where_to}")).collect()
}

fn folders_with(parent: &Path, file: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().join(file).is_file());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn ids(list: &Value, key: &str) -> BTreeSet<String> {
    list.as_array().unwrap().iter().filter_map(|row| row[key].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn s310_r77_every_template_of_the_tree_is_in_the_binary() {
    // Far from the checkout, with nothing in its data directory: what it lists it carries.
    let server = TestServer::start().await;
    let admin = server.admin();
    let templates = admin.get("/templates").await.expect(200);
    let orgs = admin.get("/org/templates").await.expect(200);
    let tree = root().join("templates");
    let mut found = missing(
        &folders_with(&tree.join("workspaces"), "config.yaml"),
        &ids(&templates, "id"),
        "template",
        "see GET /templates",
    );
    let org =
        missing(&folders_with(&tree.join("orgs"), "org.yaml"), &ids(&orgs, "dir"), "org", "see GET /org/templates");
    found.extend(org);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(ids(&templates, "id").contains("claude-code-default"), "R-77");
    assert!(!ids(&orgs, "dir").is_empty(), "R-77");
    let local = templates.as_array().unwrap().iter().filter(|row| row["runtime"] == "local").count();
    assert!(local >= 3, "at least three templates run on `local`, not {local}");
}

#[tokio::test]
async fn s310_every_file_of_the_canvas_is_in_the_binary_as_it_was_built() {
    let built = root().join("ui/dist");
    let server = TestServer::start().await;
    let mut found = Vec::new();
    let files = below(&built);
    for file in &files {
        let name = file.strip_prefix(&built).unwrap().to_string_lossy().replace('\\', "/");
        let served = server.admin().get(&format!("/{name}")).await;
        if served.status != 200 || served.body != fs::read(file).unwrap() {
            found.push(format!("S310: ui/dist/{name} is not served as it was built ({})", served.status));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(files.iter().any(|file| file.ends_with("index.html")), "the canvas is not built: run `make ui`");
}

/// The migrations that the program carries against those in the folder, by number and by what they make.
fn migrations_missing(files: &BTreeSet<String>, applied: i64) -> Vec<String> {
    let mut found = Vec::new();
    for (at, name) in files.iter().enumerate() {
        let number = at + 1;
        if !name.starts_with(&format!("{number:04}_")) {
            found.push(format!("S310: migrations/{name} is out of order: its number should be {number:04}"));
        }
    }
    if i64::try_from(files.len()).unwrap() != applied {
        found.push(format!("S310: migrations/ has {} files, the program applied {applied}", files.len()));
    }
    found
}

fn migration_files() -> BTreeSet<String> {
    let files = below(&root().join("migrations"));
    files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn s310_every_migration_of_the_tree_is_applied_by_the_binary() {
    let mut server = TestServer::start().await;
    server.stop();
    let conn = Connection::open(server.data().join("molecule.db")).unwrap();
    let applied: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let found = migrations_missing(&migration_files(), applied);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn s305_the_bundle_gates_see_what_is_left_out() {
    let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    let found = missing(&set(&["a", "b"]), &set(&["b"]), "template", "here");
    assert_eq!(found, ["S310: template a is not in the binary: here"]);
    let files = migration_files();
    let applied = i64::try_from(files.len()).unwrap();
    assert!(migrations_missing(&files, applied).is_empty());
    let mut more = files.clone();
    more.insert(format!("{:04}_new.sql", applied + 1));
    assert_eq!(migrations_missing(&more, applied).len(), 1, "one that the program does not know");
    let mut gap = files;
    gap.insert("9999_far.sql".into());
    assert_eq!(migrations_missing(&gap, applied + 1).len(), 1, "a gap in the numbers");
}
