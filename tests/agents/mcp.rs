//! The MCP bridge as a real client finds it: the official Python SDK over HTTP, with a bearer and with nothing but
//! a base URL that carries its credential. What each call did is read back through another route.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::{bed::text, external::python};
use crate::support::{Api, FakeAgent, TestServer, eventually};

/// `tests/python/mcp_client.py`, driven line by line.
struct Client {
    process: Child,
    ask: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(python: &Path, url: &str, bearer: Option<&str>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/mcp_client.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg(url)
            .args(bearer)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, ask, told }
    }

    fn line(&mut self) -> Value {
        let line = self.told.next().expect("the client ended; its words are above").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn call(&mut self, name: &str, arguments: Value) -> Value {
        writeln!(self.ask, "{}", json!({"name": name, "arguments": arguments})).unwrap();
        self.line()
    }

    /// The text of a call that succeeds.
    #[track_caller]
    fn says(&mut self, name: &str, arguments: Value) -> String {
        let told = self.call(name, arguments);
        told["text"].as_str().unwrap_or_else(|| panic!("{name}: {told}")).to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A lead without an agent, and a colleague of its own whose agent echoes.
async fn pair(api: &Api, agent: &FakeAgent) -> (Value, Value) {
    let lead = api.post("/workspaces", &json!({"name": "Lead", "runtime": "external"})).await.expect(201);
    let hand = json!({"name": "Hand", "runtime": "external", "parent_id": lead["id"], "url": agent.url()});
    let hand = api.post("/workspaces", &hand).await.expect(201);
    (lead, hand)
}

// The client is waited for on this thread, the agent answers on others.
#[tokio::test(flavor = "multi_thread")]
async fn s158_s202_a_real_client_lists_and_calls_every_tool() {
    let Some(python) = python("s202 mcp client") else { return };
    let server = TestServer::builder().env("MOLECULE_MCP_ALLOW_SEND_MESSAGE", "true").start().await;
    let api = server.admin();
    let agent = FakeAgent::start().await;
    let (lead, hand) = pair(&api, &agent).await;
    let (me, to) = (text(&lead, "id"), text(&hand, "id"));
    let token = text(&lead["connection"], "auth_token");
    let made = server.bearer(&token).post(&format!("/workspaces/{me}/tokens"), &json!({"kind": "url"})).await;
    let base = text(&made.expect(201), "url");
    for (base, bearer) in [(server.url(), Some(token.as_str())), (base, None)] {
        let mut client = Client::start(&python, &format!("{base}/workspaces/{me}/mcp"), bearer);
        assert_eq!(
            client.line(),
            json!({"version": "2024-11-05", "server": "molecule-a2a", "tools": {
                "list_peers": [], "get_workspace_info": [],
                "delegate_task": ["task", "workspace_id"], "delegate_task_async": ["task", "workspace_id"],
                "check_task_status": ["task_id", "workspace_id"], "send_message_to_user": ["message"],
                "commit_memory": ["content"], "recall_memory": [],
            }})
        );
        every_tool(&api, &mut client, &me, &to, if bearer.is_some() { "bearer" } else { "url" }).await;
    }
}

async fn every_tool(api: &Api, client: &mut Client, me: &str, to: &str, how: &str) {
    let peers: Value = serde_json::from_str(&client.says("list_peers", json!({}))).unwrap();
    assert_eq!((&peers[0]["id"], &peers[0]["name"], peers.as_array().unwrap().len()), (&json!(to), &json!("Hand"), 1));
    let info: Value = serde_json::from_str(&client.says("get_workspace_info", json!({}))).unwrap();
    assert_eq!((&info["id"], &info["name"]), (&json!(me), &json!("Lead")));

    let task = format!("count ({how})");
    assert_eq!(client.says("delegate_task", json!({"workspace_id": to, "task": task})), format!("echo: {task}"));
    let row = &api.get(&format!("/workspaces/{to}/activity?peer_id={me}&limit=1")).await.expect(200)[0];
    assert_eq!((&row["source_id"], &row["data"]["text"]), (&json!(me), &json!(task)));

    let task = format!("dig ({how})");
    let begun: Value =
        serde_json::from_str(&client.says("delegate_task_async", json!({"workspace_id": to, "task": task}))).unwrap();
    eventually("the delegation to be done", || async {
        let rows = api.get(&format!("/workspaces/{me}/delegations")).await.expect(200);
        let row = rows.as_array().unwrap().iter().find(|row| row["delegation_id"] == begun["task_id"]).cloned();
        match row {
            Some(row) if row["status"] == "completed" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let asked = json!({"workspace_id": to, "task_id": begun["task_id"]});
    let status: Value = serde_json::from_str(&client.says("check_task_status", asked)).unwrap();
    let expected =
        json!({"task_id": begun["task_id"], "status": "completed", "target_id": to, "result": format!("echo: {task}")});
    assert_eq!(status, expected);

    let words = format!("All done ({how})");
    assert_eq!(client.says("send_message_to_user", json!({"message": words})), "Message sent.");
    let chat = api.get(&format!("/workspaces/{me}/activity?type=a2a_receive&source=canvas&limit=1")).await.expect(200);
    assert_eq!(chat[0]["response_body"]["result"], words.as_str());

    let fact = json!({"content": format!("The key is ACME_API_KEY=abc ({how})"), "scope": "TEAM"});
    let made: Value = serde_json::from_str(&client.says("commit_memory", fact)).unwrap();
    let kept = api.get(&format!("/workspaces/{me}/memories?scope=TEAM&limit=1")).await.expect(200);
    let content = format!("The key is [REDACTED:API_KEY] ({how})");
    assert_eq!((&kept[0]["id"], &kept[0]["content"]), (&made["id"], &json!(content)));
    let found = client.says("recall_memory", json!({"query": format!("api_key] ({how}"), "scope": "TEAM"}));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found[0]["content"], found.as_array().unwrap().len()), (&json!(content), 1));

    let told = client.call("commit_memory", json!({"content": "x", "scope": "GLOBAL"}));
    assert_eq!(told["code"], -32000);
    let told = client.call("fly", json!({}));
    assert_eq!(told, json!({"code": -32000, "error": "unknown tool: fly"}));
    let stranger = "00000000-0000-4000-8000-000000000000";
    let told = client.call("delegate_task", json!({"workspace_id": stranger, "task": "x"}));
    let forbidden = format!("workspace {me} is not authorised to communicate with {stranger}");
    assert_eq!(told, json!({"code": -32000, "error": forbidden}));
}
