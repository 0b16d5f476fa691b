//! Every door of the registry while the database cannot be read.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::Bed;

/// S072: a database that cannot be read is a 503 with the code that screens know, and nothing of its own words.
#[tokio::test(flavor = "multi_thread")]
async fn s072_an_unreadable_database_is_503_at_every_door() {
    let bed = Bed::new().await;
    let a = bed.agent("Known", None, "http://127.0.0.1:9876").await;
    bed.sql("ALTER TABLE canvas_sessions RENAME TO gone", Vec::new()).await;
    bed.app.auth.forget();
    let body = json!({"workspace_id": a.id});
    let asked = [
        bed.get(&format!("/workspaces/{}/state", a.id)),
        bed.get("/workspaces"),
        bed.post("/registry/heartbeat").json(&body),
        bed.get(&format!("/registry/{}/peers", a.id)),
        bed.get("/events"),
        bed.post(&format!("/workspaces/{}/a2a", a.id)).json(&crate::bed::message("message/send", "hi")),
    ];
    for request in asked {
        let answer = request.bearer_auth(&a.token).send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().path().to_owned());
        let text = answer.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("platform_unavailable")), "{url}");
        assert!(!text.contains("canvas_sessions") && !text.contains("SQL") && !text.contains("no such"), "{text}");
    }
    bed.stop().await;
}
