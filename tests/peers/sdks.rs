//! Done when 2: `a2a-sdk` and `@a2a-js/sdk` in both generations, as clients and as agents, through our proxy.
//!
//! 0.3.x of either speaks v0.3 alone; 1.x speaks v1, and v0.3 by its compatibility layer. A client is told nothing but
//! a base URL that carries its credential and the ids of agents; everything else is in the cards. The server
//! is as closed as it comes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    gate::Gate,
    programs::{Program, Runner},
};
use crate::support::{Api, TestServer, eventually};

const STEPS: usize = 7;

/// What runs while the clients talk: the gate, the agents, and who they are to the server.
struct Bed {
    server: TestServer,
    gate: Gate,
    _agents: Vec<Program>,
    ids: BTreeMap<String, String>,
    base: String,
}

impl Bed {
    async fn new() -> Self {
        let (server, gate) = (TestServer::start().await, Gate::open().await);
        let programs = [
            (Runner::PythonV1, "agent_v1.py", 2),
            (Runner::PythonV03, "agent_v03.py", 1),
            (Runner::Node, "agents.mjs", 3),
        ];
        let mut agents: Vec<(Program, usize)> = programs
            .into_iter()
            .map(|(runner, file, count)| (Program::start(runner, file, &[gate.url()]), count))
            .collect();
        let mut ids = BTreeMap::new();
        for (program, count) in &mut agents {
            for _ in 0..*count {
                let said = program.next().await.expect("the agents listen");
                ids.insert(said["name"].as_str().unwrap().to_owned(), register(&server, &said).await);
            }
        }
        let agents = agents.into_iter().map(|(program, _)| program).collect();
        // The clients' own workspace is one of the agents' family, and its base URL is all they have.
        let made = server.admin().post("/workspaces", &json!({"name": "Client", "external": true})).await.expect(201);
        let path = format!("/workspaces/{}/tokens", made["id"].as_str().unwrap());
        let url = server.admin().post(&path, &json!({"kind": "url"})).await.expect(201);
        Self { server, gate, _agents: agents, ids, base: url["url"].as_str().unwrap().to_owned() }
    }

    /// Runs a client against every agent, and says what went wrong.
    async fn tried_by(&self, runner: Runner, file: &str, versions: usize) {
        let agents = json!(self.ids).to_string();
        let mut client = Program::start(runner, file, &[self.base.as_str(), self.gate.url(), &agents]);
        let (mut wrong, mut tried) = (Vec::new(), 0);
        while let Some(said) = client.next().await {
            tried += 1;
            if said["wrong"] != "" {
                let text = |key: &str| said[key].as_str().unwrap_or_default();
                wrong.push(format!("{} → {}, {}: {}", text("client"), text("agent"), text("step"), text("wrong")));
            }
        }
        assert!(wrong.is_empty(), "{} of {tried} steps failed\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(tried, self.ids.len() * versions * STEPS, "{file} came to its end");
    }
}

/// As the agent itself does it: a row of the person's, then a registration with the token that came with it.
async fn register(server: &TestServer, agent: &Value) -> String {
    let row = json!({"name": agent["name"], "runtime": "external", "delivery_mode": "push"});
    let made = server.admin().post("/workspaces", &row).await.expect(201);
    let token = made["connection"]["auth_token"].as_str().unwrap();
    let card = json!({"id": made["id"], "url": agent["url"], "agent_card": agent["card"]});
    Api::new(server.url(), Some(token)).post("/registry/register", &card).await.expect(200);
    made["id"].as_str().unwrap().to_owned()
}

fn everything_is_here(test: &str) -> bool {
    [Runner::PythonV1, Runner::PythonV03, Runner::Node].into_iter().all(|runner| runner.is_here(test))
}

#[tokio::test]
async fn done_when_2_r18_r19_python_clients_of_both_generations_reach_every_agent() {
    if !everything_is_here("python clients") {
        return;
    }
    let bed = Bed::new().await;
    bed.tried_by(Runner::PythonV1, "client_v1.py", 2).await;
    bed.tried_by(Runner::PythonV03, "client_v03.py", 1).await;
    no_capability_in_the_log(&bed);
}

#[tokio::test]
async fn done_when_2_r18_r19_javascript_clients_of_both_generations_reach_every_agent() {
    if !everything_is_here("javascript clients") {
        return;
    }
    let bed = Bed::new().await;
    bed.tried_by(Runner::Node, "clients.mjs", 3).await;
    no_capability_in_the_log(&bed);
}

/// The platform's own delegations, in one go: what an agent makes of a task is told when it is done, not when it has
/// begun, whatever its library does where nobody says that the caller waits.
#[tokio::test]
async fn done_when_2_delegations_to_every_agent_bring_the_whole_answer() {
    if !everything_is_here("delegations") {
        return;
    }
    let bed = Bed::new().await;
    let made = bed.server.admin().post("/workspaces", &json!({"name": "Asker", "external": true})).await.expect(201);
    let asker = bed.server.bearer(made["connection"]["auth_token"].as_str().unwrap());
    let path = |rest: &str| format!("/workspaces/{}/{rest}", made["id"].as_str().unwrap());
    for id in bed.ids.values() {
        asker.post(&path("delegate"), &json!({"target_id": id, "task": "all work"})).await.expect(202);
    }
    eventually("every delegation to be done", || async {
        let rows = asker.get(&path("delegations")).await.expect(200);
        let told = |row: &&Value| {
            row["status"] == "completed"
                && row["response_preview"]
                    .as_str()
                    .is_some_and(|text| text.split_whitespace().eq(["work-1", "work-2", "work-3"]))
        };
        let done = rows.as_array().unwrap().iter().filter(told).count();
        if done == bed.ids.len() { Ok(()) } else { Err(format!("{done} of {}: {rows}", bed.ids.len())) }
    })
    .await;
}

fn no_capability_in_the_log(bed: &Bed) {
    let capability = bed.base.rsplit('/').next().unwrap();
    assert!(!bed.server.log().contains(capability), "a capability is in the log");
}
