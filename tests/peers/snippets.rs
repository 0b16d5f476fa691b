//! Done when 6: the snippets of the connect dialog, run as they are printed against a fresh server. What a snippet
//! installs from its vendor is replaced by a stand-in of the same name.

use serde_json::json;

use super::{
    external::external,
    laptop::{Laptop, free_port},
    programs::Runner,
};
use crate::support::{FakeAgent, TestServer};

#[tokio::test]
async fn s197_the_curl_snippet_registers_once_and_messages_arrive() {
    let server = TestServer::start().await;
    let (agent, laptop) = (FakeAgent::start().await, Laptop::new(&server));
    let row = external(&server, "Curled; \"quoted\" $(odd)", json!({})).await;
    let (code, said, complaint) = laptop.shell(&row.snippet("curl_register_template"), &[("AGENT_URL", agent.url())]);
    assert_eq!(code, Some(0), "{complaint}");
    assert!(said.contains("\"status\":\"registered\"") && !said.contains("auth_token"), "{said}");
    assert_eq!(row.row(&server).await["status"], "online");
    let answer = row.says(&server, "over curl").await;
    assert_eq!(answer["result"]["parts"][0]["text"], "echo: over curl");
    // The placeholder, left as it is, is refused and changes nothing.
    let printed = row.connection["curl_register_template"].as_str().unwrap();
    let (code, _, complaint) = laptop.shell(printed, &[("AGENT_URL", "http://127.0.0.1:1")]);
    assert!(code != Some(0) && complaint.contains("401"), "{complaint}");
    assert_eq!(row.says(&server, "still").await["result"]["parts"][0]["text"], "echo: still");
    // The loop that keeps it online is printed as a comment, and works as well.
    let beats: String = printed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("# while ")
                .map(|rest| format!("while {rest}\n"))
                .or_else(|| line.strip_prefix("#   ").map(|rest| format!("{rest}\n")))
        })
        .collect();
    let once = beats.replace("while sleep 20; do", "").replace("; done", "");
    let token = format!("WORKSPACE_AUTH_TOKEN={}\n", row.token);
    let (code, said, complaint) = laptop.shell(&(token + &once), &[]);
    assert!(code == Some(0) && said.contains("\"status\":\"ok\""), "{once}: {said} {complaint}");
}

#[tokio::test]
async fn s193_the_python_snippet_goes_by_its_token_answers_and_outlives_a_restart_of_the_server() {
    if !Runner::PythonV1.is_here("the Python snippet") {
        return;
    }
    let mut server = TestServer::start().await;
    let laptop = Laptop::new(&server);
    let row = external(&server, "Python", json!({})).await;
    let _agent = laptop.start_python(&row.snippet("python_snippet"), free_port());
    row.becomes(&server, "online").await;
    let token = laptop.home().join(format!(".molecule/{}/.auth_token", row.id));
    laptop.beats(2).await;
    assert_eq!(std::fs::read_to_string(token).unwrap(), row.token);
    // Its server answers with an envelope of its own, which is shown all the same.
    let answer = row.says(&server, "hello").await;
    assert_eq!(answer["result"]["parts"][0]["text"], "You said: hello");
    let body = json!({"id": row.id, "url": "http://127.0.0.1:1", "agent_card": {"name": "Thief"}});
    server.anonymous().post("/registry/register", &body).await.expect(401);
    let port = server.port();
    server.restart_on_the_same_port(port).await;
    laptop.beats(2).await;
    assert_eq!(row.says(&server, "again").await["result"]["parts"][0]["text"], "You said: again");
    server.admin().delete(&format!("/workspaces/{}?confirm=true", row.id)).await.expect(200);
    laptop.until("ended", |note| note["why"] == "removed").await;
}

#[tokio::test]
async fn done_when_3_s193_the_a2a_sdk_snippet_answers_callers_of_both_versions_and_outlives_a_restart_of_the_server() {
    if !Runner::PythonV1.is_here("the a2a-sdk snippet") {
        return;
    }
    let mut server = TestServer::start().await;
    let laptop = Laptop::new(&server);
    let row = external(&server, "On the library", json!({})).await;
    let _agent = laptop.start_python(&row.snippet("a2a_sdk_snippet"), free_port());
    row.becomes(&server, "online").await;
    let ask = async |words: &str| {
        let old = row.says(&server, words).await;
        assert_eq!(old["result"]["parts"][0]["text"], format!("You said: {words}"), "{old}");
        let new = json!({"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {
            "messageId": format!("m-{words}"), "role": "ROLE_USER", "parts": [{"text": words}]}}});
        let api = server.admin().with_header("A2A-Version", "1.0");
        let new = api.post(&format!("/workspaces/{}/a2a", row.id), &new).await.expect(200);
        assert_eq!(new["result"]["message"]["parts"][0]["text"], format!("You said: {words}"), "{new}");
    };
    ask("hello").await;
    let port = server.port();
    server.restart_on_the_same_port(port).await;
    let again = row.says(&server, "again").await;
    assert_eq!(again["result"]["parts"][0]["text"], "You said: again");
}

#[tokio::test]
async fn s199_s204_the_channel_snippet_has_claude_code_read_and_answer() {
    if !Runner::PythonV1.is_here("the channel snippet") {
        return;
    }
    let mut server = TestServer::start().await;
    let laptop = Laptop::new(&server);
    let row = external(&server, "Claude", json!({})).await;
    let printed = row.snippet("claude_code_channel_snippet");
    let channel = laptop.start_shell(&printed);
    let registered = laptop.until("registered", |_| true).await;
    assert_eq!((&registered["status"], &registered["mode"]), (&json!(200), &json!("poll")));
    assert_eq!(laptop.noted("probe")[0]["status"], 410, "what tells the plugin that cursors are known");
    assert_eq!(row.row(&server).await["status"], "online");
    let called = laptop.noted("called");
    let plugins: Vec<String> = called.iter().map(|note| note["arguments"][1].to_string()).collect();
    assert!(plugins[0].contains("marketplace") && plugins[1].contains("install"), "{plugins:?}");
    assert_eq!(row.says(&server, "one").await["status"], "queued");
    row.has_told(&server, &["Claude read: one"]).await;
    laptop.beats(2).await;
    // A colleague is answered by a message to it, without a role and with `type` for `kind` (40 §21 rows 3, 4).
    let peer = external(&server, "Peer", json!({})).await;
    row.sent_by(&server.bearer(&peer.token), "from a peer").await;
    laptop.until("answered", |note| note["text"] == "Claude read: from a peer" && note["status"] == 200).await;
    let path = format!("/workspaces/{}/activity?type=a2a_receive", peer.id);
    let got = server.bearer(&peer.token).get(&path).await.expect(200);
    assert_eq!((&got[0]["source_id"], &got[0]["data"]["text"]), (&json!(row.id), &json!("Claude read: from a peer")));
    // S195: what is said while the agent is away, or the server restarts, is read once.
    drop(channel);
    row.says(&server, "two").await;
    let port = server.port();
    server.restart_on_the_same_port(port).await;
    row.says(&server, "three").await;
    let _channel = laptop.start_shell(&printed);
    row.has_told(&server, &["Claude read: one", "Claude read: two", "Claude read: three"]).await;
    assert!(laptop.noted("cursor dropped").is_empty());
}
