//! Done when 3: an agent of somebody else that polls. (One that is called: tests/peers.)

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use super::bed::{message, text};
use crate::support::{TestServer, eventually, skipped};

/// The Python that has tests/requirements.txt; `make test` makes it.
pub fn python(test: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/venv/bin/python");
    if python.exists() {
        return Some(python);
    }
    skipped(test, "no .cache/venv; run scripts/setup test");
    None
}

/// A child that ends with the test.
struct Script(Child);

impl Script {
    fn run(python: &Path, code: &str, server: &TestServer) -> Self {
        let file = server.beside("agent.py");
        std::fs::write(&file, code).unwrap();
        Self(Command::new(python).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn done_when_3_an_agent_without_an_address_polls_and_replies() {
    let Some(python) = python("done_when_3 poll") else { return };
    let server = TestServer::start().await;
    let api = server.admin();
    let made = api.post("/workspaces", &json!({"name": "Poller", "runtime": "external"})).await.expect(201);
    let id = text(&made, "id");
    let code = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/poll_agent.py"))
        .unwrap()
        .replace("@URL@", &server.url())
        .replace("@ID@", &id)
        .replace("@TOKEN@", &text(&made["connection"], "auth_token"));
    let _agent = Script::run(&python, &code, &server);
    eventually("it to register", || async {
        let row = api.get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == "online" { Ok(()) } else { Err(row["status"].to_string()) }
    })
    .await;
    let accepted = api.post(&format!("/workspaces/{id}/a2a"), &message("are you there", "m-2")).await.expect(200);
    assert_eq!(accepted, json!({"status": "queued", "delivery_mode": "poll", "method": "message/send"}));
    eventually("its reply in the chat", || async {
        let rows = api.get(&format!("/workspaces/{id}/activity?type=a2a_receive&source=canvas")).await.expect(200);
        let said = rows.as_array().unwrap().iter().find(|row| row["method"] == "notify").cloned();
        match said {
            Some(row) if row["response_body"]["result"] == "I read: are you there" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
