//! No keychain, or one that does not answer: the sealed file takes over, and says so.

use std::time::Instant;

use serde_json::json;

use super::{session::Session, traces::traces_of};
use crate::support::{TestServer, wait::within};

const CANARY: &str = "sk-canary-31c2-in-a-sealed-file";
/// Generous: what is asked of the product is two seconds for the choice, and the figure is printed.
const START: std::time::Duration = std::time::Duration::from_secs(10);

#[tokio::test]
async fn done_when_5_without_a_secret_service_the_sealed_file_takes_over_and_says_so() {
    let nowhere = "unix:path=/nonexistent/session-bus";
    let builder = TestServer::builder().without("MOLECULE_KEYCHAIN").env("DBUS_SESSION_BUS_ADDRESS", nowhere);
    let began = Instant::now();
    let mut server = builder.start().await;
    let health = server.anonymous().get("/health").await.expect(200);
    println!("start to /health without a Secret Service: {:?}", began.elapsed());
    assert!(began.elapsed() < START);
    assert_eq!((&health["vault"]["store"], &health["vault"]["state"]), (&json!("sealed"), &json!("ready")), "{health}");
    let reason = server.state().await["vault"]["reason"].clone();
    assert!(reason.as_str().is_some_and(|text| text.contains("encrypted file")), "{reason}");

    let body = json!({"key": "SPECIAL_TOKEN", "value": CANARY});
    let saved = server.admin().put("/settings/secrets", &body).await.expect(200);
    assert_eq!(saved["store"], "sealed");
    assert_eq!(traces_of(CANARY, &server).await, Vec::<String>::new(), "sealed, not plain");
    server.restart().await;
    let state = server.state().await;
    assert_eq!(state["vault"]["missing"], json!([]), "it can be read after a restart: {state}");
}

#[tokio::test]
async fn done_when_5_a_secret_service_that_does_not_answer_holds_nothing_up() {
    let Some(session) = Session::unlocked("done_when_5_a_silent_service") else { return };
    session.freeze(true);
    let began = Instant::now();
    let server = session.server().start().await;
    println!("start to a link with a silent Secret Service: {:?}", began.elapsed());
    assert!(began.elapsed() < START);
    let health = server.anonymous().get("/health").await.expect(200);
    assert_eq!(health["vault"]["store"], "sealed", "{health}");
    assert_eq!(health["vault"]["state"], "locked", "{health}");

    // a write answers, and moves to the keychain once that is back.
    let body = json!({"key": "LATER", "value": CANARY});
    let saved = server.admin().put("/settings/secrets", &body).await.expect(200);
    assert_eq!(saved["store"], "sealed");
    session.freeze(false);
    within(START, "the value in the keychain", || async {
        server.admin().post("/app/vault/retry", &json!({})).await.expect(200);
        session.lookup("global/LATER").ok_or("nothing there yet")
    })
    .await;
    assert_eq!(session.lookup("global/LATER").as_deref(), Some(CANARY));
    let health = server.anonymous().get("/health").await.expect(200);
    assert_eq!(health["vault"]["state"], "ready", "{health}");
}
