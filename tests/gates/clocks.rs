//! Only a `clock.rs` asks the machine for the time (ARCHITECTURE idea 7), so that tests can move it.

use regex::Regex;

use super::tree::{Source, line_of, program};

/// Elsewhere, with the reason.
const EXCEPTIONS: [(&str, &str); 1] =
    [("src-tauri/crates/launcher/src/local/options.rs", "the launcher's default clock, a field of its options")];

fn violations(tree: &[Source]) -> Vec<String> {
    let asks =
        Regex::new(r"\b(?:SystemTime|Utc|Local|OffsetDateTime|Zoned|Timestamp)::now(?:_utc|_local)?\s*\(").unwrap();
    let mut found = Vec::new();
    for source in tree {
        let at_home = source.path.ends_with("/clock.rs") || EXCEPTIONS.iter().any(|(path, _)| *path == source.path);
        if at_home {
            continue;
        }
        let text = source.program();
        for hit in asks.find_iter(&text) {
            let line = line_of(&text, hit.start());
            found.push(format!(
                "idea 7: {}:{line} asks the machine for the time ({}): take it from the clock that came in from outside",
                source.path,
                hit.as_str()
            ));
        }
    }
    found
}

#[test]
fn only_a_clock_asks_the_machine_for_the_time() {
    let tree = program();
    for (path, reason) in EXCEPTIONS {
        let source = tree.iter().find(|source| source.path == path);
        let needed = source.is_some_and(|source| source.program().contains("SystemTime::now"));
        assert!(needed, "{path} ({reason}) needs no exception any more");
    }
    let found = violations(&tree);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn s305_the_clock_gate_sees_a_look_at_the_clock() {
    for text in
        ["let now = std::time::SystemTime::now();", "jiff::Zoned::now()", "chrono::Utc::now()", "\n\nTimestamp::now ()"]
    {
        assert_eq!(violations(&[Source::new("src-tauri/crates/platform/src/x.rs", text)]).len(), 1, "{text}");
        assert!(violations(&[Source::new("src-tauri/crates/platform/src/clock.rs", text)]).is_empty());
    }
    for text in ["let now = app.now();", "Instant::now()", "// SystemTime::now()", "clock.now()"] {
        assert!(violations(&[Source::new("x.rs", text)]).is_empty(), "{text}");
    }
}
