//! Done when 12: the keychain is locked, replaced, or the data came from another machine.

use serde_json::{Value, json};

use super::session::Session;
use crate::support::{TestServer, eventually};

/// A local agent that answers by itself; `needs` is a secret of its own.
async fn rehearsing(server: &TestServer, name: &str) -> String {
    let templates = server.admin().get("/templates").await.expect(200);
    let local = templates.as_array().unwrap().iter().find(|row| row["runtime"] == "local").expect("R-104");
    let body = json!({"name": name, "template": local["id"], "model": "rehearsal"});
    let row = server.admin().post("/workspaces", &body).await.expect(201);
    row["id"].as_str().unwrap().to_owned()
}

async fn has_status(server: &TestServer, id: &str, wanted: &str) {
    let admin = server.admin();
    eventually(format!("{wanted} of {id}"), || async {
        let row = admin.get(&format!("/workspaces/{id}")).await.expect(200);
        if row["status"] == wanted { Ok(()) } else { Err(format!("{} ({})", row["status"], row["last_sample_error"])) }
    })
    .await;
}

fn names(state: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let missing = state["vault"]["missing"].as_array().unwrap();
    let mut names: Vec<_> = missing.iter().map(|row| (text(&row["scope"]), text(&row["key"]))).collect();
    names.sort();
    names
}

async fn with_two_secrets(session: &Session) -> (TestServer, String, String) {
    let server = session.server().start().await;
    let (needy, free) = (rehearsing(&server, "Needy").await, rehearsing(&server, "Free").await);
    let admin = server.admin();
    let body = json!({"key": "OWN_TOKEN", "value": "sk-one"});
    admin.put(&format!("/workspaces/{needy}/secrets"), &body).await.expect(200);
    admin.put("/settings/secrets", &json!({"key": "ANTHROPIC_API_KEY", "value": "sk-two"})).await.expect(200);
    has_status(&server, &needy, "online").await;
    has_status(&server, &free, "online").await;
    (server, needy, free)
}

fn lost() -> Vec<(String, String)> {
    [("global", "ANTHROPIC_API_KEY"), ("workspace", "OWN_TOKEN")]
        .map(|(scope, key)| (scope.to_owned(), key.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn done_when_12_a_locked_keychain_is_named_and_agents_that_need_nothing_of_it_run() {
    let Some(mut session) = Session::unlocked("done_when_12_locked") else { return };
    let (mut server, needy, free) = with_two_secrets(&session).await;
    server.stop();
    session.start_keyring("wrong");
    server.restart().await;
    let state = server.state().await;
    assert_eq!(state["vault"]["state"], "locked", "{state}");
    assert_eq!(names(&state), lost(), "{state}");
    let missing = state["vault"]["missing"].as_array().unwrap();
    let own = missing.iter().find(|row| row["scope"] == "workspace").unwrap();
    assert_eq!((&own["workspace_id"], &own["workspace_name"]), (&json!(needy), &json!("Needy")));
    assert!(!state.to_string().contains("sk-one"));
    has_status(&server, &free, "online").await;

    // The person unlocks it: nothing has to be entered again, and whoever failed comes back by itself.
    session.start_keyring("right");
    let after = server.admin().post("/app/vault/retry", &json!({})).await.expect(200);
    assert_eq!(after["state"], "ready", "{after}");
    assert_eq!(after["missing"], json!([]), "{after}");
    has_status(&server, &needy, "online").await;
    has_status(&server, &free, "online").await;
}

#[tokio::test]
async fn done_when_12_a_replaced_keychain_lists_the_names_until_they_are_entered_again() {
    let Some(mut session) = Session::unlocked("done_when_12_replaced") else { return };
    let (mut server, needy, free) = with_two_secrets(&session).await;
    server.stop();
    session.lose_keyrings();
    session.start_keyring("another");
    server.restart().await;
    let state = server.state().await;
    assert_eq!(state["vault"]["state"], "replaced", "{state}");
    assert_eq!(names(&state), lost(), "{state}");
    assert!(state["vault"]["reason"].as_str().is_some_and(|text| text.contains("another computer")), "{state}");
    has_status(&server, &free, "online").await;

    let admin = server.admin();
    admin.put("/settings/secrets", &json!({"key": "ANTHROPIC_API_KEY", "value": "sk-new"})).await.expect(200);
    let rest = server.state().await;
    assert_eq!(names(&rest), vec![("workspace".to_owned(), "OWN_TOKEN".to_owned())], "{rest}");
    let body = json!({"key": "OWN_TOKEN", "value": "sk-newer"});
    admin.put(&format!("/workspaces/{needy}/secrets"), &body).await.expect(200);
    assert_eq!(names(&server.state().await), Vec::new());
    assert_eq!(session.lookup("global/ANTHROPIC_API_KEY").as_deref(), Some("sk-new"));
    has_status(&server, &needy, "online").await;
    has_status(&server, &free, "online").await;
}

/// The data directory on a machine without any keychain.
#[tokio::test]
async fn done_when_12_data_from_another_machine_lists_the_names() {
    let Some(session) = Session::unlocked("done_when_12_moved") else { return };
    let (mut server, _needy, free) = with_two_secrets(&session).await;
    server.restart_with("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/session-bus").await;
    let state = server.state().await;
    assert_eq!(state["vault"]["store"], "sealed", "{state}");
    assert_ne!(state["vault"]["state"], "ready", "{state}");
    assert_eq!(names(&state), lost(), "{state}");
    has_status(&server, &free, "online").await;
}
