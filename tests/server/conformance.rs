//! S7 of the targets: schemathesis over the server's own `/openapi.json`, as the person. No 5xx, and no status that the
//! document does not name.
//!
//! The suite takes a few cases of each operation, always the same ones. With `MOLECULE_FUZZ_CASES=2000` (`make fuzz`)
//! each class of operations, which is a tag of the document, gets that many new ones.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::{TestServer, skipped};

/// Cases of each operation in the suite.
const FEW: usize = 4;
/// Answers without an end: their heads are tried elsewhere.
const ENDLESS: &str = "^/ws$|/events/stream$|/mcp/stream$";

/// Beside the Python of the tests.
fn program() -> PathBuf {
    let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/venv/bin/python");
    std::env::var_os("MOLECULE_PYTHON").map_or(inside, PathBuf::from).with_file_name("schemathesis")
}

/// One run; the whole report is in the panic when something was found.
fn search(program: &Path, server: &TestServer, cases: usize, more: &[&str]) {
    let folder = server.beside("schemathesis");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program);
    command.current_dir(&folder).env("NO_PROXY", "*").env("no_proxy", "*").env("PYTHONHASHSEED", "0");
    command.args(["run", &format!("{}/openapi.json", server.url())]);
    command.args(["-H", &format!("Authorization: Bearer {}", server.admin_token())]);
    command.args(["--checks", "not_a_server_error,status_code_conformance", "--phases", "coverage,fuzzing"]);
    command.args(["--max-examples", &cases.to_string(), "--exclude-path-regex", ENDLESS, "--continue-on-failure"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off", "--no-color"]);
    let done = command.args(more).output().unwrap();
    let report = String::from_utf8_lossy(&done.stdout).replace(server.admin_token(), "…");
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{report}\n{complaint}");
    assert!(report.contains("Tested:"), "{report}\n{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_done_when_7_no_5xx_and_no_undocumented_status() {
    let program = program();
    if !program.exists() {
        return skipped("s7_done_when_7_no_5xx_and_no_undocumented_status", "schemathesis is not in .cache/venv");
    }
    let server = TestServer::start().await;
    let wanted = std::env::var("MOLECULE_FUZZ_CASES").ok().and_then(|text| text.parse::<usize>().ok());
    let Some(wanted) = wanted else {
        return search(&program, &server, FEW, &["--seed", "1"]);
    };
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        if let Some(tag) = operation["tags"][0].as_str() {
            *classes.entry(tag.to_owned()).or_default() += 1;
        }
    }
    for (class, operations) in classes {
        let each = wanted.div_ceil(operations);
        eprintln!("{class}: {operations} operations, {each} cases each");
        search(&program, &server, each, &["--include-tag", &class]);
    }
}
