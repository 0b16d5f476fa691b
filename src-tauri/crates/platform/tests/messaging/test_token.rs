//! Bearers for tests (10 §17.3).

use molecule_platform::Config;
use serde_json::{Value, json};

use crate::bed::{Bed, Known};

async fn ask(bed: &Bed, id: &str, shown: Option<&str>) -> (u16, Value) {
    let request = bed.get(&format!("/admin/workspaces/{id}/test-token"));
    let request = shown.into_iter().fold(request, |request, header| request.header("authorization", header));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn set(token: &str) -> impl FnOnce(&mut Config) {
    let token = token.to_owned();
    move |config: &mut Config| {
        config.test_tokens = true;
        config.admin_token = Some(token.into());
    }
}

/// A token that the route gave opens its workspace and no other.
async fn opens(bed: &Bed, known: &Known, answer: &Value) {
    assert_eq!(answer["workspace_id"], json!(known.id));
    let token = answer["auth_token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    let path = format!("/workspaces/{}/activity", known.id);
    assert_eq!(bed.get(&path).bearer_auth(token).send().await.unwrap().status(), 200);
    let other = bed.workspace("Other", None).await;
    let path = format!("/workspaces/{}/activity", other.id);
    assert_eq!(bed.get(&path).bearer_auth(token).send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn s074_s080_with_an_admin_token_exactly_that_one() {
    const ADMIN: &str = "correct horse";
    let bed = Bed::with(set(ADMIN)).await;
    let a = bed.workspace("A", None).await;
    let id = a.id.to_string();
    let org: Value =
        bed.post("/org/tokens").bearer_auth(ADMIN).json(&json!({})).send().await.unwrap().json().await.unwrap();
    let org = org["auth_token"].as_str().unwrap().to_owned();
    // The token of the data directory is an admin's elsewhere, and not here: the contract says "exactly it".
    let own = bed.admin.clone();
    let wrong = ["wrong", "", "correct", "correct horse battery", "correct horsf", &a.token, &org, &own];
    for shown in wrong.iter().map(|text| Some(format!("Bearer {text}"))).chain([
        None,
        Some(format!("bearer {ADMIN}")),
        Some(ADMIN.to_owned()),
        Some(format!("Basic {ADMIN}")),
    ]) {
        let answer = ask(&bed, &id, shown.as_deref()).await;
        assert_eq!(answer, (401, json!({"error": "admin auth required"})), "{shown:?}");
    }
    // Who is not admitted learns nothing of ids.
    assert_eq!(ask(&bed, "none", None).await.0, 401);
    let (status, answer) = ask(&bed, &id, Some(&format!("Bearer {ADMIN}"))).await;
    assert_eq!(status, 200);
    opens(&bed, &a, &answer).await;
    for missing in ["none", "00000000-0000-4000-8000-000000000000"] {
        let answer = ask(&bed, missing, Some(&format!("Bearer {ADMIN}"))).await;
        assert_eq!(answer, (404, json!({"error": "workspace not found"})));
    }
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s074_r3_without_an_admin_token_only_development_is_open() {
    let bed = Bed::development().await;
    let a = bed.workspace("A", None).await;
    for shown in [None, Some("Bearer wrong")] {
        let (status, answer) = ask(&bed, &a.id.to_string(), shown).await;
        assert_eq!(status, 200, "{shown:?}");
        opens(&bed, &a, &answer).await;
    }
    bed.remove(a.id).await;
    assert_eq!(ask(&bed, &a.id.to_string(), None).await.0, 404);
    bed.stop().await;

    // Switched on outside development: the admin's, and nobody else's.
    let bed = Bed::with(|config| config.test_tokens = true).await;
    let a = bed.workspace("A", None).await;
    for shown in [None, Some("Bearer wrong".to_owned()), Some(format!("Bearer {}", a.token))] {
        assert_eq!(ask(&bed, &a.id.to_string(), shown.as_deref()).await.0, 401, "{shown:?}");
    }
    let (status, answer) = ask(&bed, &a.id.to_string(), Some(&format!("Bearer {}", bed.admin))).await;
    assert_eq!(status, 200);
    opens(&bed, &a, &answer).await;
    bed.stop().await;

    // Off: there is no such route, whoever asks.
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    for shown in [None, Some(format!("Bearer {}", bed.admin)), Some(format!("Bearer {}", a.token))] {
        let answer = ask(&bed, &a.id.to_string(), shown.as_deref()).await;
        assert_eq!(answer, (404, json!({"error": "not found"})), "{shown:?}");
    }
    bed.stop().await;
}
