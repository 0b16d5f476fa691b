//! S7 of the targets: schemathesis over the server's own `/openapi.json`, as the person. No 5xx, and no status that the
//! document does not name.
//!
//! The suite takes a few cases of each operation, always the same ones. With `MOLECULE_FUZZ_CASES=2000` (`make fuzz`)
//! each class of operations, which is a tag of the document, gets that many new ones; every class is searched before
//! the test says what was found.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::{Value, json};

use crate::support::{TestServer, fake_agent::FakeAgent, skipped};

/// Cases of each operation in the suite.
const FEW: usize = 4;
/// Answers without an end: their heads are tried elsewhere.
const ENDLESS: &str = "^/ws$|/events/stream$|/mcp/stream$";

/// Beside the Python of the tests.
fn program() -> PathBuf {
    let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/venv/bin/python");
    std::env::var_os("MOLECULE_PYTHON").map_or(inside, PathBuf::from).with_file_name("schemathesis")
}

/// Searches of one class, until it has had its cases.
const MOST_SEARCHES: usize = 8;

/// Where the id of a workspace is asked for.
const IDS: [&str; 8] = [
    "path.id",
    "path.workspace_id",
    "path.peer_id",
    "query.workspace_id",
    "query.peer_id",
    "body.workspace_id",
    "body.target_id",
    "body.parent_id",
];

/// What the contract calls by a 5xx although nothing is wrong with us: the agent's operator has its console, an
/// agent does not answer, is not there or goes round in circles (10 §9, §13, R-21), nobody can be discovered (10 §7.2).
const EXPECTED: [(&str, &str, &str); 5] = [
    ("GET", "/workspaces/{id}/console", "501"),
    ("POST", "/workspaces/{id}/a2a", "502, 503, 508"),
    ("POST", "/workspaces/{id}/chat/uploads", "502, 503"),
    ("GET", "/workspaces/{id}/chat/download", "502, 503"),
    ("GET", "/registry/discover/{id}", "503"),
];

/// A few agents that answer and a few that fetch, so that six in ten cases find somebody: what answers to anybody else
/// is a 404 and little more. Cases may delete them, so each search has its own.
async fn team(server: &TestServer, agent: &FakeAgent, folder: &Path) {
    let mut ids = Vec::new();
    for n in 0..6 {
        let mut body = json!({"name": format!("Member {n}"), "external": true, "delivery_mode": "poll"});
        if n % 2 == 0 {
            body["delivery_mode"] = "push".into();
            body["url"] = agent.url().into();
        }
        ids.push(server.admin().post("/workspaces", &body).await.expect(201)["id"].clone());
    }
    let mut text = format!("[dictionaries.team]\nvalues = {}\n\n[parameters]\n", Value::from(ids));
    for place in IDS {
        writeln!(text, "\"{place}\" = {{ dictionary = \"team\", probability = 0.6 }}").unwrap();
    }
    for (method, path, statuses) in EXPECTED {
        let expected = format!("[\"2xx\", \"3xx\", \"4xx\", {statuses}]");
        writeln!(text, "\n[[operations]]\ninclude-name = \"{method} {path}\"").unwrap();
        writeln!(text, "checks.not_a_server_error.expected-statuses = {expected}").unwrap();
    }
    fs::write(folder.join("schemathesis.toml"), text).unwrap();
}

/// One search; its report, and whether it found nothing.
fn search(program: &Path, server: &TestServer, folder: &Path, cases: usize, more: &[&str]) -> (bool, String) {
    let mut command = Command::new(program);
    command.current_dir(folder).env("NO_PROXY", "*").env("no_proxy", "*").env("PYTHONHASHSEED", "0");
    command.args(["run", &format!("{}/openapi.json", server.url())]);
    command.args(["-H", &format!("Authorization: Bearer {}", server.admin_token())]);
    command.args(["--checks", "not_a_server_error,status_code_conformance", "--phases", "coverage,fuzzing"]);
    command.args(["--max-examples", &cases.to_string(), "--exclude-path-regex", ENDLESS, "--continue-on-failure"]);
    // One worker: the tool's Python may end with an error of its own when several threads read source code at once.
    command.args(["--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off", "--no-color"]);
    let done = command.args(more).output().unwrap();
    let report = String::from_utf8_lossy(&done.stdout).replace(server.admin_token(), "…");
    let complaint = String::from_utf8_lossy(&done.stderr);
    (done.status.success() && report.contains("Tested:"), format!("{report}\n{complaint}"))
}

/// Of `2131 generated, 2131 passed`, as the report has it, the first number.
fn cases_of(report: &str) -> usize {
    let counts = report.lines().filter_map(|line| line.split_once(" generated"));
    counts.filter_map(|(count, _)| count.trim().parse().ok()).next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_done_when_7_no_5xx_and_no_undocumented_status() {
    let program = program();
    if !program.exists() {
        return skipped("s7_done_when_7_no_5xx_and_no_undocumented_status", "schemathesis is not in .cache/venv");
    }
    let server = TestServer::start().await;
    let agent = FakeAgent::start().await;
    let folder = server.beside("schemathesis");
    fs::create_dir_all(&folder).unwrap();
    let wanted = std::env::var("MOLECULE_FUZZ_CASES").ok().and_then(|text| text.parse::<usize>().ok());
    let Some(wanted) = wanted else {
        team(&server, &agent, &folder).await;
        let (clean, report) = search(&program, &server, &folder, FEW, &["--seed", "1"]);
        assert!(clean, "{report}");
        return;
    };
    let document: Value = server.anonymous().get("/openapi.json").await.expect(200);
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        if let Some(tag) = operation["tags"][0].as_str() {
            *classes.entry(tag.to_owned()).or_default() += 1;
        }
    }
    if let Ok(only) = std::env::var("MOLECULE_FUZZ_CLASSES") {
        let only: Vec<&str> = only.split(',').map(str::trim).collect();
        classes.retain(|class, _| only.contains(&class.as_str()));
        assert!(!classes.is_empty(), "no class of routes is named {only:?}");
    }
    let mut found = Vec::new();
    for (class, operations) in classes {
        let (each, began) = (wanted.div_ceil(operations), Instant::now());
        let mut cases = 0;
        // What has few parameters has few cases in one search: the next one has others.
        for _ in 0..MOST_SEARCHES {
            team(&server, &agent, &folder).await;
            let (clean, report) = search(&program, &server, &folder, each, &["--include-tag", &class]);
            cases += cases_of(&report);
            if !clean {
                eprintln!("{report}");
                found.push(class.clone());
            }
            if !clean || cases >= wanted {
                break;
            }
        }
        eprintln!("{class}: {operations} operations, {cases} cases in {} s", began.elapsed().as_secs());
    }
    assert!(found.is_empty(), "something was found in {found:?}: the reports stand above");
}
