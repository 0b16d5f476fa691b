//! Who finds whom (10 §7).

use molecule_model::WorkspaceId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::call;
use crate::bed::{Bed, Known};

#[tokio::test(flavor = "multi_thread")]
async fn s096_s097_s098_peers_discovery_and_access() {
    let bed = Bed::new().await;
    let root = bed.agent("Root", None, "http://127.0.0.1:9871").await;
    let a = bed.agent("Alice", Some(root.id), "http://127.0.0.1:9872").await;
    let b = bed.agent("Bob", Some(root.id), "http://127.0.0.1:9873").await;
    let below = bed.agent("Carol", Some(a.id), "http://127.0.0.1:9874").await;
    let far = bed.workspace("Far", Some(b.id)).await;
    let names = |peers: &Value| {
        peers.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = format!("/registry/{}/peers", a.id);
    let peers: Value = bed.get(&path).bearer_auth(&a.token).send().await.unwrap().json().await.unwrap();
    assert_eq!(names(&peers), ["Bob", "Carol", "Root"]);
    let keys: Vec<&str> = peers[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "name", "role", "tier", "status", "url", "parent_id", "active_tasks", "agent_card"]);
    for (q, want) in
        [("bO", vec!["Bob"]), ("  ", vec!["Bob", "Carol", "Root"]), ("carol%20ROLE", vec!["Carol"]), ("%25", vec![])]
    {
        assert_eq!(names(&bed.read(&format!("{path}?q={q}")).await), want, "{q}");
    }
    assert_eq!(bed.get(&path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bed.get(&path).bearer_auth(&b.token).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        bed.get(&format!("/registry/{}/peers", WorkspaceId::random()))
            .bearer_auth(&bed.admin)
            .send()
            .await
            .unwrap()
            .status(),
        404
    );

    let discover = async |from: Option<&Known>, to: WorkspaceId| {
        let mut request = bed.get(&format!("/registry/discover/{to}"));
        if let Some(from) = from {
            request = request.bearer_auth(&from.token).header("X-Workspace-ID", from.id.to_string());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(discover(None, a.id).await, (400, json!({"error": "X-Workspace-ID header is required"})));
    assert_eq!(
        discover(Some(&b), a.id).await,
        (200, json!({"id": a.id, "url": "http://127.0.0.1:9872", "name": "Alice"}))
    );
    assert_eq!(discover(Some(&a), a.id).await.0, 200, "oneself");
    assert_eq!(discover(Some(&root), below.id).await.0, 200, "an ancestor");
    assert_eq!(
        discover(Some(&b), below.id).await,
        (403, json!({"error": "not authorized to discover this workspace"}))
    );
    assert_eq!(discover(Some(&b), WorkspaceId::random()).await.0, 403);
    assert_eq!(
        discover(Some(&b), far.id).await,
        (503, json!({"error": "workspace not available", "status": "provisioning"}))
    );
    let lie = Known { id: a.id, token: b.token.clone() };
    assert_eq!(discover(Some(&lie), b.id).await.0, 401);
    bed.sql("UPDATE workspaces SET url = 'http://169.254.169.254/' WHERE id = ?1", vec![a.id.to_string()]).await;
    assert_eq!(discover(Some(&b), a.id).await, (503, json!({"error": "workspace URL failed safety check"})));

    let check = async |caller: &str, target: &str, token: Option<&str>| {
        call(&bed, "/registry/check-access", token, &json!({"caller_id": caller, "target_id": target})).await
    };
    let (alice, bob, carol) = (a.id.to_string(), b.id.to_string(), below.id.to_string());
    assert_eq!(check(&alice, &bob, None).await.0, 401, "R-35");
    let admin = Some(bed.admin.as_str());
    for (caller, target, want) in [(&alice, &bob, true), (&bob, &carol, false), (&bob, &bob, true)] {
        assert_eq!(check(caller, target, admin).await, (200, json!({"allowed": want})), "{caller} {target}");
    }
    assert_eq!(
        check("nobody", "nobody", admin).await,
        (200, json!({"allowed": true})),
        "the same id, without a look-up"
    );
    assert_eq!(check("nobody", &bob, admin).await, (200, json!({"allowed": false})));
    assert_eq!(check("", &bob, admin).await.0, 400);
    bed.stop().await;
}

/// O-5: a peer without a role is no crash of a search.
#[tokio::test(flavor = "multi_thread")]
async fn o5_s096_a_peer_without_a_role_is_searched_like_others() {
    let bed = Bed::new().await;
    let (a, b) = (bed.workspace("Alice", None).await, bed.workspace("Bob", None).await);
    bed.sql("UPDATE workspaces SET role = NULL WHERE id = ?1", vec![b.id.to_string()]).await;
    let names = async |q: &str| {
        let peers = bed.read(&format!("/registry/{}/peers?q={q}", a.id)).await;
        peers.as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("role").await, Vec::<String>::new());
    assert_eq!((names("BO").await, names("").await), (vec!["Bob".to_owned()], vec!["Bob".to_owned()]));
    bed.stop().await;
}

/// O-26: nothing is sent to a tombstone, whatever address it still has.
#[tokio::test(flavor = "multi_thread")]
async fn o26_a_message_to_a_removed_workspace_is_404() {
    let bed = Bed::new().await;
    let agent = crate::agent::Agent::saying("ghost").await;
    let a = bed.agent("Gone", None, &agent.url).await;
    bed.remove(a.id).await;
    let answer = bed.say(a.id, "hello").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": "workspace not found"}));
    assert!(agent.got().is_empty());
    let restart = bed.post(&format!("/workspaces/{}/restart", a.id)).bearer_auth(&bed.admin).send().await.unwrap();
    assert_eq!(restart.status(), StatusCode::NOT_FOUND);
    bed.stop().await;
}
