//! What these tests share: agents of ours, messages, and what has to be true in the end.

use serde_json::{Value, json};

use crate::support::{Answer, Api, SOON, TestServer, eventually, process};

pub fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

/// A message of the person.
pub fn message(id: &str) -> Value {
    json!({"method": "message/send", "params": {"message":
        {"role": "user", "messageId": id, "parts": [{"kind": "text", "text": "Anything?"}]}}})
}

/// Sends one. The sender never waits for ever, whatever becomes of the agent.
pub async fn say(api: &Api, to: &str, id: &str) -> Answer {
    let (path, body) = (format!("/workspaces/{to}/a2a"), message(id));
    let sent = api.post(&path, &body);
    tokio::time::timeout(2 * SOON, sent).await.unwrap_or_else(|_| panic!("the sender of {id} still waits"))
}

/// Makes a local agent and waits until it is online. Its turns take `wait_ms`.
pub async fn local(server: &TestServer, name: &str, wait_ms: u64) -> String {
    let body = json!({"name": name, "runtime": "local", "template": "rehearsal-agent"});
    let id = text(&server.admin().post("/workspaces", &body).await.expect(201), "id");
    until(server, &id, "online").await;
    takes(server, &id, wait_ms);
    id
}

/// From its next turn on the agent takes so long to answer.
pub fn takes(server: &TestServer, id: &str, wait_ms: u64) {
    let config = server.data().join("workspaces").join(id).join("configs/config.yaml");
    let script = format!(
        "name: Quick\nruntime: local\nmodel: rehearsal\nrehearsal:\n  words_per_second: 0\n  rules:\n    - steps: [{{wait_ms: {wait_ms}}}, {{reply: fine}}]\n"
    );
    std::fs::write(config, script).unwrap();
}

pub async fn row(server: &TestServer, id: &str) -> Value {
    server.admin().get(&format!("/workspaces/{id}")).await.expect(200)
}

/// Waits until a workspace is shown as `status`.
pub async fn until(server: &TestServer, id: &str, status: &str) {
    eventually(format!("{id} to be {status}"), || async {
        let row = row(server, id).await;
        if row["status"] == status { Ok(()) } else { Err(format!("{} ({})", row["status"], row["last_sample_error"])) }
    })
    .await;
}

/// The process that the launcher recorded.
pub fn pid_of(server: &TestServer, id: &str) -> Option<u32> {
    let state = server.data().join("workspaces").join(id).join("run.json");
    let state: Value = serde_json::from_slice(&std::fs::read(state).ok()?).ok()?;
    u32::try_from(state["pid"].as_u64()?).ok()
}

/// Waits until what is shown of a local agent is so: online, by one process that is alive, with nothing that hangs
/// in the air.
pub async fn truly_online(server: &TestServer, id: &str) {
    eventually(format!("{id} to be online by a process that lives"), || async {
        let shown = row(server, id).await;
        let open = server.admin().get(&format!("/workspaces/{id}/inflight")).await.expect(200);
        let pid = pid_of(server, id).filter(|pid| process::is_alive(*pid));
        let ours = pid.is_some_and(|pid| server.agents().contains(&pid));
        if shown["status"] == "online" && ours && open == json!([]) {
            Ok(())
        } else {
            Err(format!("{} with process {pid:?} and {open} open", shown["status"]))
        }
    })
    .await;
}

/// The rows of one message at whom it was sent.
pub async fn rows_of(server: &TestServer, to: &str, id: &str) -> Vec<Value> {
    let path = format!("/workspaces/{to}/activity?type=a2a_receive&limit=500");
    let rows = server.admin().get(&path).await.expect(200);
    let about = |row: &&Value| row["request_body"]["params"]["message"]["messageId"] == id;
    rows.as_array().unwrap().iter().filter(about).cloned().collect()
}

/// What a sender was told is what is written: answered is one `ok` row, refused is none; nothing is open.
pub async fn told_the_truth(server: &TestServer, to: &str, id: &str, answer: &Answer) {
    let taken = match answer.status {
        200 => true,
        // It waits in the queue, and whoever waits there is looked after there.
        202 => return,
        status if status >= 500 => false,
        status => panic!("{id}: {status} {}", answer.text()),
    };
    let rows = eventually(format!("the row of {id}"), || async {
        let rows = rows_of(server, to, id).await;
        let settled = !taken || rows.iter().any(|row| row["status"] == "ok");
        if settled { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    let ok = rows.iter().filter(|row| row["status"] == "ok").count();
    assert_eq!(ok, usize::from(taken), "{id} was answered {} and its rows are {rows:?}", answer.status);
    for row in rows.iter().filter(|row| row["status"] != "ok") {
        assert!(!text(row, "error_detail").is_empty(), "it says why: {row}");
    }
}

/// Waits until a message that waited was answered, and looks that it was once.
pub async fn answered_once(server: &TestServer, to: &str, id: &str) {
    let ok = eventually(format!("the answer of {id}"), || async {
        let rows = rows_of(server, to, id).await;
        let ok = rows.iter().filter(|row| row["status"] == "ok").count();
        if ok > 0 { Ok(ok) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert_eq!(ok, 1, "{id}");
}

/// A message that goes through in the end: tried again as `Retry-After` asks, only quicker, or waited for where it
/// waits.
pub async fn gets_through(server: &TestServer, to: &str, id: &str) -> Answer {
    let api = server.admin();
    let answer = eventually(format!("{id} to be answered"), || async {
        let answer = say(&api, to, id).await;
        if [200, 202].contains(&answer.status) {
            Ok(answer)
        } else {
            Err(format!("{} {}", answer.status, answer.text()))
        }
    })
    .await;
    if answer.status == 202 {
        answered_once(server, to, id).await;
    }
    answer
}
