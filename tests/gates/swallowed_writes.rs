//! S103: a write that fails is logged or handed on, never dropped in silence.

use regex::Regex;

use super::tree::{Source, line_of, program};

/// Writes whose outcome goes nowhere.
fn swallowed(tree: &[Source]) -> Vec<String> {
    // The compiler warns of a `Result` that is not looked at; these are the ways to make it keep quiet.
    let ways = [
        r"let\s+_\w*\s*=\s*[^;{}]*\.write\(",
        r"\bdrop\(\s*[\w.]*store\s*\.write\(",
        r"\.write\((?:[^;]|\n)*?\)\s*\.await\s*\.(?:ok|unwrap_or_default|unwrap_or|is_ok)\(",
        r"let\s+_\w*\s*=\s*(?:\w+::)*transition(?:_only_from)?\(",
        r"\btransition(?:_only_from)?\([^;]*?\)\s*\.(?:ok|unwrap_or_default|unwrap_or)\(",
    ];
    let ways: Vec<Regex> = ways.iter().map(|way| Regex::new(way).unwrap()).collect();
    let mut found = Vec::new();
    for source in tree.iter().filter(|source| source.path.contains("/platform/") || source.path.contains("/store/")) {
        let text = source.program();
        for hit in ways.iter().flat_map(|way| way.find_iter(&text)) {
            // Statements only: what lies between two of them is not one write.
            if hit.as_str().contains(";\n") {
                continue;
            }
            let line = line_of(&text, hit.end());
            found.push(format!("S103: {}:{line} drops the outcome of a write: log it, or hand it on", source.path));
        }
    }
    found
}

#[test]
fn s103_no_write_is_swallowed() {
    let found = swallowed(&program());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn s103_the_gate_finds_what_is_swallowed() {
    let bad = [
        "let _ = app.store.write(move |tx| f(tx)).await;",
        "drop(app.store.write(move |tx| f(tx)).await);",
        "app.store.write(move |tx| f(tx)).await.ok();",
        "let done = app.store.write(move |tx| f(tx)).await.unwrap_or_default();",
        "let _ = workspaces::transition(tx, id, Trigger::Pause);",
        "workspaces::transition(tx, id, Trigger::Pause).ok();",
    ];
    for text in bad {
        let tree = [Source::new("src-tauri/crates/platform/src/x.rs", text)];
        assert_eq!(swallowed(&tree).len(), 1, "{text}");
    }
    let good = [
        "app.store.write(move |tx| f(tx)).await?;",
        "match app.store.write(move |tx| f(tx)).await { Ok(()) => {} Err(error) => tracing::error!(%error) }",
        "workspaces::transition(tx, id, Trigger::Pause)?;",
    ];
    for text in good {
        assert!(swallowed(&[Source::new("src-tauri/crates/platform/src/x.rs", text)]).is_empty(), "{text}");
    }
}
