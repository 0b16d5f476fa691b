//! S129: the corpus of request shapes, replayed through the normaliser.
//!
//! One file is one shape. Members that start with `_` are about the shape, the others are its body; a
//! malformed body is text in `_body`, or bytes in `_body_hex`. What each valid shape becomes stands in
//! one snapshot, so that a change of the normaliser is read as a change of what agents get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says so")]

use std::{collections::BTreeMap, fs, path::Path};

use molecule_a2a::{NormaliseError, normalise};
use serde_json::{Map, Value};

struct Shape {
    file: String,
    about: Map<String, Value>,
    body: Vec<u8>,
}

impl Shape {
    fn read(path: &Path) -> Self {
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        let whole: Map<String, Value> = serde_json::from_slice(&fs::read(path).unwrap()).expect(&file);
        let (about, body): (Map<_, _>, Map<_, _>) = whole.into_iter().partition(|(name, _)| name.starts_with('_'));
        let text = |name| about.get(name).and_then(Value::as_str);
        let body = match (text("_body"), text("_body_hex")) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (_, Some(hex)) => bytes(hex),
            _ => Value::Object(body).to_string().into_bytes(),
        };
        Self { file, about, body }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn shapes(kind: &str) -> Vec<Shape> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus").join(kind);
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| Shape::read(&entry.unwrap().path())).collect();
    all.sort_by(|a, b| a.file.cmp(&b.file));
    all
}

fn fresh() -> impl FnMut() -> String {
    let mut made = 0;
    move || {
        made += 1;
        format!("fresh-{made}")
    }
}

#[test]
fn s129_every_shape_says_what_it_is_and_every_version_is_there() {
    let (valid, invalid, malformed) = (shapes("valid"), shapes("invalid"), shapes("malformed"));
    for (shape, refused) in
        valid.iter().map(|shape| (shape, false)).chain(invalid.iter().chain(&malformed).map(|shape| (shape, true)))
    {
        let mut keys = vec!["_comment", "_added", "_source"];
        keys.extend(refused.then_some("_expect_error"));
        for key in keys {
            let said = shape.about.get(key).and_then(Value::as_str);
            assert!(said.is_some_and(|text| !text.is_empty()), "{} lacks {key}", shape.file);
        }
        assert_eq!(shape.about.get("_expect_status").and_then(Value::as_u64), refused.then_some(400), "{}", shape.file);
    }
    for version in ["v02-", "v03-", "v1-"] {
        assert!(valid.iter().any(|shape| shape.file.starts_with(version)), "no valid shape of {version}");
    }
    assert!(valid.len() >= 40 && invalid.len() + malformed.len() >= 60);
}

#[test]
fn s126_s127_valid_shapes_become_what_agents_understand() {
    let mut sent = BTreeMap::new();
    for shape in shapes("valid") {
        let first = normalise(&shape.body, &mut fresh()).unwrap_or_else(|error| panic!("{}: {error}", shape.file));
        let again = normalise(&first.bytes, &mut || panic!("{}: an id is missing still", shape.file)).unwrap();
        assert_eq!(again.bytes, first.bytes, "{}: a second time changes nothing", shape.file);
        let text = String::from_utf8(first.bytes.to_vec()).unwrap();
        let text = if text.len() > 2000 {
            assert_eq!(first.bytes, shape.body, "{}", shape.file);
            format!("unchanged, {} bytes", text.len())
        } else {
            text
        };
        sent.insert(shape.file, text);
    }
    let lines: Vec<_> = sent.iter().map(|(file, text)| format!("{file}\n    {text}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn s128_invalid_shapes_are_refused_and_the_field_is_named() {
    for shape in shapes("invalid") {
        let error = normalise(&shape.body, &mut fresh()).err().unwrap_or_else(|| panic!("{} passed", shape.file));
        let body = error.body();
        assert!(body["error"].as_str().unwrap().contains(shape.about["_expect_error"].as_str().unwrap()), "{body}");
        assert_eq!(body["code"], -32602, "{}", shape.file);
    }
}

#[test]
fn s128_malformed_bodies_are_refused() {
    for shape in shapes("malformed") {
        let error = normalise(&shape.body, &mut fresh()).err().unwrap_or_else(|| panic!("{} passed", shape.file));
        assert!(matches!(error, NormaliseError::InvalidJson | NormaliseError::TooDeep), "{}: {error}", shape.file);
        let body = error.body();
        assert!(body["error"].as_str().unwrap().contains(shape.about["_expect_error"].as_str().unwrap()), "{body}");
        assert!(body.get("code").is_none(), "{}", shape.file);
    }
}
