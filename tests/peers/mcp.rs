//! The universal MCP snippet: whatever client keeps its servers as Claude Code does starts `molecule-mcp` from what the
//! snippet wrote, with no other environment (S198, S201, S202).

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use super::{
    external::{External, external},
    laptop::Laptop,
    programs::Runner,
};
use crate::support::{SOON, TestServer, eventually};

/// An MCP server as a client runs it.
struct Server {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    last: u64,
}

impl Server {
    /// From the entry that the snippet left in the client's configuration.
    fn start(laptop: &Laptop, more: &[(&str, &str)]) -> Self {
        let config: Value = serde_json::from_str(&laptop.read(".claude.json")).unwrap();
        let entry = &config["mcpServers"]["molecule"];
        let mut command = laptop.command(entry["command"].as_str().unwrap());
        for (name, value) in entry["env"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        command.env("CONFIGS_DIR", laptop.home()).envs(more.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        Self { child, input, output, last: 0 }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let line = json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}).to_string();
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(SOON, self.output.next_line()).await.unwrap().unwrap().unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["result"].take()
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let made = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await;
        serde_json::from_str(made["content"][0]["text"].as_str().unwrap()).unwrap()
    }

    /// The texts that have come since the last time.
    async fn inbox(&mut self) -> Vec<String> {
        let rows = self.call("wait_for_message", json!({})).await;
        rows.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    }
}

async fn connected(name: &str) -> (TestServer, Laptop, External) {
    let server = TestServer::start().await;
    let laptop = Laptop::new(&server);
    let row = external(&server, name, json!({})).await;
    let (code, _, complaint) = laptop.shell(&row.snippet("universal_mcp_snippet"), &[]);
    assert_eq!(code, Some(0), "{complaint}");
    (server, laptop, row)
}

#[tokio::test]
async fn s198_s201_the_mcp_snippet_wires_a_server_that_registers_and_beats_by_itself() {
    if !Runner::PythonV1.is_here("the MCP snippet") {
        return;
    }
    let (server, laptop, row) = connected("By MCP").await;
    assert_eq!(laptop.read("pip.log").trim(), "install molecule-ai-workspace-runtime");
    assert_eq!(row.row(&server).await["status"], "awaiting_agent", "the snippet itself registers nothing");
    let mut mcp = Server::start(&laptop, &[("MOLECULE_AGENT_NAME", "Named"), ("MOLECULE_AGENT_SKILLS", "a,b")]);
    mcp.ask("initialize", json!({})).await;
    let registered = laptop.until("registered", |_| true).await;
    assert_eq!((&registered["status"], &registered["secret"]), (&json!(200), &json!(true)));
    row.becomes(&server, "online").await;
    laptop.beats(3).await;
    let shown = row.row(&server).await;
    assert_eq!((&shown["agent_card"]["name"], &shown["delivery_mode"]), (&json!("Named"), &json!("poll")));
    // With the switch it does neither, and without a token it does not start.
    drop(mcp);
    let before = (laptop.noted("registered").len(), laptop.noted("beat").len());
    let mut quiet = Server::start(&laptop, &[("MOLECULE_MCP_DISABLE_HEARTBEAT", "1")]);
    assert_eq!(quiet.call("get_workspace_info", json!({})).await["id"], row.id.as_str());
    assert_eq!((laptop.noted("registered").len(), laptop.noted("beat").len()), before);
    let mut bare = Server::start(&laptop, &[("MOLECULE_WORKSPACE_TOKEN", "")]);
    assert!(!bare.child.wait().await.unwrap().success());
    // … or from the file.
    std::fs::write(laptop.home().join(".auth_token"), &row.token).unwrap();
    let mut by_file = Server::start(&laptop, &[("MOLECULE_WORKSPACE_TOKEN", "")]);
    assert_eq!(by_file.call("get_workspace_info", json!({})).await["id"], row.id.as_str());
    // Three refusals in a row, and it asks for a new token; its tools go on.
    let tokens = server.admin().get(&format!("/workspaces/{}/tokens", row.id)).await.expect(200);
    for token in tokens["tokens"].as_array().unwrap() {
        let path = format!("/workspaces/{}/tokens/{}", row.id, token["id"].as_str().unwrap());
        server.admin().delete(&path).await.expect(200);
    }
    server.admin().post(&format!("/workspaces/{}/tokens", row.id), &json!({})).await.expect(201);
    laptop.until("beat", |note| note["needs"] == "a new token").await;
}

#[tokio::test]
async fn s202_every_tool_of_the_server_finds_its_route() {
    if !Runner::PythonV1.is_here("the MCP tools") {
        return;
    }
    let (server, laptop, row) = connected("Tools").await;
    let peer = external(&server, "Helpful", json!({"role": "Helps with anything"})).await;
    let mut mcp = Server::start(&laptop, &[]);
    let listed = mcp.ask("tools/list", json!({})).await;
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for name in [
        "get_workspace_info",
        "list_peers",
        "recall_memory",
        "send_message_to_user",
        "chat_history",
        "delegate_task_async",
        "check_task_status",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    let peers = mcp.call("list_peers", json!({"q": "help"})).await;
    assert_eq!(peers[0]["id"], peer.id.as_str());
    assert_eq!(mcp.call("list_peers", json!({"q": "nobody"})).await, json!([]));
    mcp.call("send_message_to_user", json!({"message": "for you"})).await;
    row.has_told(&server, &["for you"]).await;
    let kept = mcp.call("commit_memory", json!({"content": "blue is calm"})).await;
    let found = mcp.call("recall_memory", json!({"query": "blue"})).await;
    assert_eq!((&found[0]["id"], &found[0]["content"]), (&kept["id"], &json!("blue is calm")));
    let task = mcp.call("delegate_task_async", json!({"workspace_id": peer.id, "task": "look it up"})).await;
    let id = task["delegation_id"].as_str().unwrap().to_owned();
    // The colleague polls, so the task is with it and not answered (40 §11).
    let path = format!("/workspaces/{}/delegations", row.id);
    eventually("the task to be with the colleague", || async {
        let rows = server.admin().get(&path).await.expect(200);
        if rows[0]["status"] == "queued" { Ok(()) } else { Err(rows.to_string()) }
    })
    .await;
    let last = mcp.call("check_task_status", json!({"task_id": id})).await;
    assert_eq!(
        (&last[0]["status"], &last[0]["source_id"], &last[0]["type"]),
        (&json!("queued"), &json!(row.id), &json!("delegation"))
    );
    peer.sent_by(&server.bearer(&row.token), "between us").await;
    row.sent_by(&server.bearer(&peer.token), "and back").await;
    let history = mcp.call("chat_history", json!({"peer_id": peer.id})).await;
    assert!(history.to_string().contains("and back"), "{history}");
    assert_eq!(mcp.call("chat_history", json!({"before_ts": "2001-01-01T00:00:00Z"})).await, json!([]));
    // S203: a colleague that was deleted is told apart from one that never was.
    server.admin().delete(&format!("/workspaces/{}?confirm=true", peer.id)).await.expect(200);
    let gone = mcp.call("get_workspace_info", json!({"workspace_id": peer.id})).await;
    assert_eq!((&gone["error"], &gone["id"]), (&json!("removed"), &json!(peer.id)));
}

#[tokio::test]
async fn s195_a_cursor_neither_loses_nor_repeats_over_restarts_of_both() {
    if !Runner::PythonV1.is_here("the MCP inbox") {
        return;
    }
    let (mut server, laptop, row) = connected("Reader").await;
    let mut mcp = Server::start(&laptop, &[]);
    laptop.until("registered", |_| true).await;
    let mut read = Vec::new();
    let mut said = Vec::new();
    for round in 0..4 {
        for n in 0..25 {
            let words = format!("{round}.{n}");
            row.says(&server, &words).await;
            said.push(words);
        }
        read.extend(mcp.inbox().await);
        // Some more that it has not seen when both go away; the agent's own words are never its mail.
        mcp.call("send_message_to_user", json!({"message": format!("round {round}")})).await;
        row.says(&server, &format!("{round} late")).await;
        said.push(format!("{round} late"));
        drop(mcp);
        if round % 2 == 0 {
            server.kill9();
        }
        server.restart_on_the_same_port(port_of(&row)).await;
        mcp = Server::start(&laptop, &[]);
        row.becomes(&server, "online").await;
    }
    read.extend(mcp.inbox().await);
    assert_eq!(read, said);
    assert!(mcp.inbox().await.is_empty() && laptop.noted("cursor dropped").is_empty());
    let cursor = std::fs::metadata(laptop.home().join(format!(".inbox_cursor_{}", &row.id[..8]))).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&cursor.permissions()) & 0o777, 0o600);
}

/// The port that the snippet names; a server that was killed can no longer be asked.
fn port_of(row: &External) -> u16 {
    row.connection["platform_url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}
