//! Every script that ships is one that the agent reads without a fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

use std::path::{Path, PathBuf};

fn configs(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            configs(&path, found);
        } else if path.file_name().is_some_and(|name| name == "config.yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_config_is_read_without_a_fault() {
    let mut found = Vec::new();
    configs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../templates"), &mut found);
    assert!(found.len() >= 14, "only {} configs were found", found.len());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            molecule_agent::check_config(&text).is_ok(),
            "{}: {:?}",
            path.display(),
            molecule_agent::check_config(&text)
        );
    }
}

#[test]
fn the_example_of_the_reference_is_one() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/agents.md")).unwrap();
    let examples: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.iter().any(|example| example.contains("rehearsal:")));
    for example in examples {
        assert_eq!(molecule_agent::check_config(example), Ok(()), "{example}");
    }
}
