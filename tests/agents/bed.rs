//! What these tests share: an organisation that is up, and messages to it.

use serde_json::{Value, json};

use crate::support::{Api, TestServer, eventually};

/// One member of an organisation.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub name: String,
}

/// Imports an org template and waits until everybody is online.
pub async fn organisation(server: &TestServer, dir: &str) -> Vec<Member> {
    let made = server.admin().post("/org/import", &json!({"dir": dir})).await.expect(201);
    let members: Vec<Member> = made["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| Member { id: text(row, "id"), name: text(row, "name") })
        .collect();
    everybody_online(server, members.len()).await;
    members
}

/// Waits until `count` workspaces are there and all are online.
pub async fn everybody_online(server: &TestServer, count: usize) {
    eventually("everybody to be online", || async {
        let listed = server.admin().get("/workspaces").await.expect(200);
        let states: Vec<String> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| match text(row, "last_sample_error") {
                why if text(row, "status") == "failed" => format!("{} failed: {why}", text(row, "name")),
                _ => format!("{} {}", text(row, "name"), text(row, "status")),
            })
            .collect();
        let online = states.iter().filter(|state| state.ends_with(" online")).count();
        if online == count && states.len() == count { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await;
}

pub fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

/// The member of this name.
pub fn named<'a>(members: &'a [Member], name: &str) -> &'a Member {
    members.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("no {name} in {members:?}"))
}

/// A message of the person.
pub fn message(words: &str, id: &str) -> Value {
    json!({"method": "message/send", "params": {"message":
        {"role": "user", "messageId": id, "parts": [{"kind": "text", "text": words}]}}})
}

/// The text of an answer.
pub fn answer_text(answer: &Value) -> String {
    let parts = answer["result"]["parts"].as_array().cloned().unwrap_or_default();
    parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The rows of what a workspace was sent, newest first.
pub async fn received(api: &Api, id: &str) -> Vec<Value> {
    let rows = api.get(&format!("/workspaces/{id}/activity?type=a2a_receive&limit=500")).await.expect(200);
    rows.as_array().unwrap().clone()
}
