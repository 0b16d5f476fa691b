//! S102: a workspace's status is written in one place, by the status machine, from typed constants.

use std::collections::BTreeSet;

use molecule_model::Status;
use regex::Regex;

use super::tree::{Source, below, line_of, program, root};

/// The one place.
const HOME: &str = "src-tauri/crates/store/src/workspaces.rs";

/// SQL that assigns `workspaces.status`, outside of its home.
fn writes_elsewhere(tree: &[Source]) -> Vec<String> {
    let update = Regex::new(r"(?i)UPDATE\s+workspaces(?:\s+AS\s+\w+)?\s+SET\b").unwrap();
    let upsert = Regex::new(r"(?i)INSERT\s+INTO\s+workspaces\b[^;]*?DO\s+UPDATE\s+SET\b").unwrap();
    let assigns = Regex::new(r"(?i)(?:^|[,\s(])status\s*=").unwrap();
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.path != HOME) {
        let text = source.program();
        for start in update.find_iter(&text).chain(upsert.find_iter(&text)) {
            let rest = &text[start.end()..];
            // What is assigned ends at the condition, at what comes back, or with the string.
            let ends = ["WHERE", "where", "RETURNING", "returning", "\""];
            let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            if assigns.is_match(&rest[..end]) {
                let line = line_of(&text, start.start());
                found.push(format!(
                    "S102: {}:{line} writes a workspace's status: only {HOME} may, through `transition`, so that the \
                     table of allowed edges holds",
                    source.path
                ));
            }
        }
    }
    found
}

/// A literal status in an assignment, in the home as well: values are bound from the typed constant.
fn literals(tree: &[Source]) -> Vec<String> {
    let words: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    let pattern = format!(r"(?i)\bSET\b[^;\x22]*?\bstatus\s*=\s*'({})'", words.join("|"));
    let literal = Regex::new(&pattern).unwrap();
    let mut found = Vec::new();
    for source in tree {
        let text = source.program();
        for hit in literal.find_iter(&text) {
            if hit.as_str().to_ascii_uppercase().contains("WHERE") {
                continue;
            }
            let line = line_of(&text, hit.end());
            found.push(format!(
                "S102: {}:{line} has a status as text in SQL: bind `Status::…` instead, so that the compiler knows it",
                source.path
            ));
        }
    }
    found
}

/// The words that the tables allow in `workspaces.status`.
fn allowed_by(migrations: &[Source]) -> BTreeSet<String> {
    let table = Regex::new(r"(?is)CREATE TABLE workspaces \(.*?CHECK \(status IN \(([^)]*)\)\)").unwrap();
    let word = Regex::new(r"'(\w+)'").unwrap();
    let mut words = BTreeSet::new();
    for source in migrations {
        if let Some(list) = table.captures(&source.text) {
            words.extend(word.captures_iter(&list[1]).map(|found| found[1].to_owned()));
        }
    }
    words
}

fn migrations() -> Vec<Source> {
    let files = below(&root().join("migrations"));
    files
        .iter()
        .map(|file| Source::new(&super::tree::relative(file), &std::fs::read_to_string(file).unwrap()))
        .collect()
}

fn drift(migrations: &[Source]) -> Vec<String> {
    let known: BTreeSet<String> = Status::ALL.iter().map(|status| status.as_str().to_owned()).collect();
    let allowed = allowed_by(migrations);
    let differ = known.symmetric_difference(&allowed);
    differ.map(|word| format!("S102: '{word}' is in only one of Status::ALL and migrations/ (S101)")).collect()
}

#[test]
fn s102_only_the_status_machine_writes_a_status() {
    let tree = program();
    assert!(tree.iter().any(|source| source.path == HOME), "{HOME} is gone; say where statuses are written now");
    let mut found = writes_elsewhere(&tree);
    found.extend(literals(&tree));
    found.extend(drift(&migrations()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn s305_the_status_gate_sees_a_write_put_in_elsewhere() {
    let bad = [
        r#"tx.execute("UPDATE workspaces SET status = ?1 WHERE id = ?2", x)"#,
        r#"tx.execute("UPDATE workspaces SET url = ?1, status = 'online' WHERE id = ?2", x)"#,
        "tx.execute(\n    \"UPDATE workspaces\n        SET updated_at = ?1,\n            status=?2\n      WHERE id = ?3\")",
        r#""INSERT INTO workspaces (id) VALUES (?1) ON CONFLICT (id) DO UPDATE SET url = ?2, status = ?3""#,
    ];
    for text in bad {
        let tree = [Source::new("src-tauri/crates/platform/src/registry/mod.rs", text)];
        assert_eq!(writes_elsewhere(&tree).len(), 1, "{text}");
        assert_eq!(writes_elsewhere(&[Source::new(HOME, text)]).len(), 0, "its home may");
    }
    let good = [
        r#""UPDATE workspaces SET url = ?1 WHERE status = 'online'""#,
        r#""UPDATE workspaces SET last_error_rate = ?1 WHERE id = ?2 AND status <> 'removed'""#,
        r#""UPDATE approval_requests SET status = ?1 WHERE id = ?2""#,
        r#""SELECT status FROM workspaces WHERE status = ?1""#,
        "// UPDATE workspaces SET status = 'online'",
    ];
    for text in good {
        assert_eq!(writes_elsewhere(&[Source::new("x.rs", text)]), Vec::<String>::new(), "{text}");
    }
    let text = r#"conn.execute("UPDATE workspaces SET status = 'online'")"#;
    let message = &literals(&[Source::new(HOME, text)])[0];
    assert!(message.starts_with(&format!("S102: {HOME}:1 ")), "file and line: {message}");
    assert!(literals(&[Source::new("x.rs", r#""SET url = ?1 WHERE status = 'online'""#)]).is_empty());

    let mut changed = migrations();
    for source in &mut changed {
        source.text = source.text.replace("'degraded', ", "'tired', ");
    }
    let found = drift(&changed).join("\n");
    assert!(found.contains("'degraded'") && found.contains("'tired'"), "{found}");
}
