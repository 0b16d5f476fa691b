//! S129: the corpus of request shapes, replayed through the normaliser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

use std::{fs, path::Path};

use molecule_a2a::normalise;
use serde_json::Value;

fn entries(kind: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus").join(kind);
    let mut all: Vec<(String, Value)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), value)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn body(entry: &Value) -> Vec<u8> {
    let members = entry.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with('_'));
    let body: serde_json::Map<String, Value> = members.map(|(key, value)| (key.clone(), value.clone())).collect();
    Value::Object(body).to_string().into_bytes()
}

fn fresh() -> impl FnMut() -> String {
    let mut n = 0;
    move || {
        n += 1;
        format!("00000000-0000-4000-8000-{n:012}")
    }
}

#[test]
fn s129_every_entry_says_what_it_is() {
    for kind in ["valid", "invalid"] {
        for (file, entry) in entries(kind) {
            for key in ["_comment", "_added", "_source"] {
                assert!(entry[key].as_str().is_some_and(|text| !text.is_empty()), "{file} lacks {key}");
            }
            if kind == "invalid" {
                assert!(
                    entry["_expect_status"].is_u64() && entry["_expect_error"].is_string(),
                    "{file} says no expectation"
                );
            }
        }
    }
    let names: Vec<String> = entries("valid").into_iter().map(|(file, _)| file).collect();
    for version in ["v02-", "v03-", "v1-"] {
        assert!(names.iter().any(|name| name.starts_with(version)), "no {version} entry");
    }
    assert!(names.len() >= 20 && entries("invalid").len() >= 25);
}

#[test]
fn s126_s127_valid_shapes_become_what_is_forwarded_and_stay_so() {
    for (file, entry) in entries("valid") {
        let first = normalise(&body(&entry), &mut fresh()).unwrap_or_else(|error| panic!("{file}: {error:?}"));
        let sent: Value = serde_json::from_slice(&first.bytes).unwrap();
        assert_eq!(sent["jsonrpc"], "2.0", "{file}");
        if let Some(message) = sent["params"]["message"].as_object() {
            assert!(message["messageId"].is_string() && message["parts"].is_array(), "{file}: {sent}");
            assert!(message["role"].is_string(), "{file}: {sent}");
            assert!(!message.contains_key("content") || file == "v02-both.json", "{file}: {sent}");
        }
        let again = normalise(&first.bytes, &mut fresh()).unwrap();
        assert_eq!(again.bytes, first.bytes, "{file}: a second time changes nothing");
    }
}

#[test]
fn s128_invalid_shapes_are_refused_and_named() {
    for (file, entry) in entries("invalid") {
        let error = normalise(&body(&entry), &mut fresh()).err().unwrap_or_else(|| panic!("{file} passed"));
        let said = format!("{error}");
        let expected = entry["_expect_error"].as_str().unwrap();
        assert!(said.contains(expected), "{file}: {said}");
    }
}
