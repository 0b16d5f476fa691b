//! The canvas as a caller: tickets, sessions, no cookies.

use serde_json::json;

use crate::support::{TestServer, server::output};

#[tokio::test]
async fn r4_the_printed_link_opens_a_session_once() {
    let server = TestServer::start().await;
    let ticket = json!({"ticket": server.ticket()});
    let launched = server.anonymous().post("/launch", &ticket).await;
    let session = launched.expect(200);
    assert!(launched.header("set-cookie").is_none(), "no cookies at all");
    let canvas = server.bearer(session["token"].as_str().unwrap());
    canvas.get("/workspaces").await.expect(200);

    let again = server.anonymous().post("/launch", &ticket).await;
    assert_eq!(again.expect(410)["code"], "ticket_used");
    assert!(again.error().contains("molecule open"), "it says how to get a new one");
}

#[tokio::test]
async fn r4_a_ticket_is_neither_a_bearer_nor_guessable() {
    let server = TestServer::start().await;
    server.bearer(server.ticket()).get("/workspaces").await.expect(401);
    for guess in ["", "0", "../admin.token"] {
        server.anonymous().post("/launch", &json!({"ticket": guess})).await.expect(410);
    }
    server.anonymous().post("/launch", &json!({})).await.expect(400);
    server.anonymous().post("/launch", &json!({"ticket": server.ticket()})).await.expect(200);
}

#[tokio::test]
async fn r4_sessions_are_listed_and_revoked_and_survive_a_restart() {
    let mut server = TestServer::start().await;
    let (first, second) = (server.canvas().await, server.canvas().await);
    let listed = first.get("/app/sessions").await.expect(200);
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let current: Vec<bool> = sessions.iter().map(|s| s["current"].as_bool().unwrap()).collect();
    assert_eq!(current.iter().filter(|current| **current).count(), 1, "it knows its own");
    assert!(!listed.to_string().contains(first.bearer().unwrap()), "no token is shown again");

    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/app/sessions/{}", other["id"].as_str().unwrap());
    first.delete(&path).await.expect(200);
    second.get("/workspaces").await.expect(401);
    first.delete(&path).await.expect(404);

    server.restart().await;
    server.bearer(first.bearer().unwrap()).get("/workspaces").await.expect(200);
    server.bearer(second.bearer().unwrap()).get("/workspaces").await.expect(401);
}

#[tokio::test]
async fn r4_open_prints_a_fresh_link_to_the_running_server() {
    let server = TestServer::start().await;
    let (code, said, complaint) = output(&mut server.command(&["open", "--print"]));
    assert_eq!(code, Some(0), "{complaint}");
    let ticket = said.trim().strip_prefix(&format!("{}/#ticket=", server.url())).unwrap();
    server.anonymous().post("/launch", &json!({"ticket": ticket})).await.expect(200);
}

/// A stranger on this machine cannot read what opens the server.
#[tokio::test]
async fn r3_r7_the_files_with_credentials_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let server = TestServer::start().await;
    let mode = |name: &str| {
        let data = server.data();
        std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777
    };
    for name in ["admin.token", "endpoint.json", "molecule.db", "sealed.key"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!(mode("."), 0o700);
}

#[tokio::test]
async fn r3_admin_token_is_honoured_where_set_beside_our_own() {
    let server = TestServer::builder().env("ADMIN_TOKEN", "of-the-person").start().await;
    server.bearer("of-the-person").get("/workspaces").await.expect(200);
    server.admin().get("/workspaces").await.expect(200);
    server.bearer("of-somebody-else").get("/workspaces").await.expect(401);
    let stored = std::fs::read_to_string(server.data().join("admin.token")).unwrap();
    assert_ne!(stored.trim(), "of-the-person", "the variable is not written down");
}
