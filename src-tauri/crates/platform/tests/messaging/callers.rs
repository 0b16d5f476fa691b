//! Who may send, and as whom (10 §9.2, R-3, R-35, S076, S077).

use molecule_model::WorkspaceId;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    agent::Agent,
    bed::{Bed, Known, message},
};

/// One request: which bearer, which claim.
async fn send(bed: &Bed, to: WorkspaceId, bearer: Option<&str>, claim: Option<&str>) -> (u16, String) {
    let mut request = bed.post(&format!("/workspaces/{to}/a2a")).json(&message("message/send", "hi"));
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    if let Some(claim) = claim {
        request = request.header("X-Workspace-ID", claim);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

struct Family {
    bed: Bed,
    _agent: Agent,
    root: Known,
    child: Known,
    /// In another tree: unrelated to the child.
    cousin: Known,
    /// Without a token.
    bare: WorkspaceId,
}

async fn family(development: bool) -> Family {
    let bed = Bed::with(|config| config.development = development).await;
    let agent = Agent::saying("ok").await;
    let root = bed.agent("Root", None, &agent.url).await;
    let child = bed.agent("Child", Some(root.id), &agent.url).await;
    let other = bed.agent("Other", None, &agent.url).await;
    let cousin = bed.agent("Cousin", Some(other.id), &agent.url).await;
    let bare = bed.workspace("Bare", Some(root.id)).await.id;
    bed.sql("DELETE FROM workspace_auth_tokens WHERE workspace_id = ?1", vec![bare.to_string()]).await;
    bed.app.auth.forget();
    Family { bed, _agent: agent, root, child, cousin, bare }
}

const MISSING: &str = "missing caller auth token";
const INVALID: &str = "invalid caller auth token";
const UNRELATED: &str = "access denied: workspaces cannot communicate per hierarchy rules";

#[tokio::test(flavor = "multi_thread")]
async fn s076_s077_s130_s131_the_matrix_outside_development() {
    let f = family(false).await;
    let ids = [f.root.id, f.child.id, f.cousin.id, f.bare].map(|id| id.to_string());
    let [root, child, cousin, bare] = ids.each_ref().map(String::as_str);
    let admin = Some(f.bed.admin.as_str());
    let (as_root, as_cousin) = (Some(f.root.token.as_str()), Some(f.cousin.token.as_str()));
    let unknown = WorkspaceId::random().to_string();
    let table = [
        // Without an identity a credential is needed.
        (None, None, 401, MISSING),
        (Some("wrong"), None, 401, INVALID),
        (admin, None, 200, ""),
        (as_root, None, 200, ""),
        (as_cousin, None, 403, UNRELATED),
        // The bearer is the authority, the header only a hint (S076).
        (as_root, Some(root), 200, ""),
        (as_root, Some(child), 401, INVALID),
        (as_root, Some(cousin), 401, INVALID),
        (as_cousin, Some(root), 401, INVALID),
        (as_cousin, Some(child), 401, INVALID),
        (as_cousin, Some(cousin), 403, UNRELATED),
        (None, Some(root), 401, MISSING),
        (None, Some(child), 401, MISSING),
        (None, Some(bare), 401, MISSING),
        (Some("wrong"), Some(root), 401, INVALID),
        // The person may speak as an agent, and then the hierarchy holds (S077).
        (admin, Some(root), 200, ""),
        (admin, Some(child), 200, ""),
        (admin, Some(cousin), 403, UNRELATED),
        (admin, Some(unknown.as_str()), 403, UNRELATED),
        (admin, Some("nobody"), 403, UNRELATED),
        // Names that only we use.
        (admin, Some("system:restart-context"), 403, "invalid caller ID"),
        (as_root, Some("webhook:x"), 403, "invalid caller ID"),
        (None, Some("channel:slack"), 403, "invalid caller ID"),
        (Some("wrong"), Some("test:x"), 403, "invalid caller ID"),
    ];
    for (n, (bearer, claim, status, text)) in table.into_iter().enumerate() {
        let got = send(&f.bed, f.child.id, bearer, claim).await;
        assert_eq!((got.0, got.1.as_str()), (status, text), "row {n}: {claim:?}");
    }
    // A message to oneself needs no relative.
    assert_eq!(send(&f.bed, f.cousin.id, as_cousin, Some(cousin)).await.0, 200);
    let rows = f.bed.activity(f.cousin.id).await;
    assert_eq!((rows[0]["source_id"].as_str(), rows[0]["data"]["source"].as_str()), (Some(cousin), Some("self")));
    f.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_the_matrix_in_development_is_the_contracts() {
    let f = family(true).await;
    let ids = [f.root.id, f.child.id, f.cousin.id, f.bare].map(|id| id.to_string());
    let [root, child, cousin, bare] = ids.each_ref().map(String::as_str);
    let as_root = Some(f.root.token.as_str());
    let table = [
        (None, None, 200, ""),
        // An unknown bearer stays without an identity, never a 401 (10 §9.2).
        (Some("wrong"), None, 200, ""),
        (as_root, None, 200, ""),
        // A claimed identity with a live token needs it (10 §2.9).
        (None, Some(root), 401, MISSING),
        (Some("wrong"), Some(root), 401, INVALID),
        (None, Some(bare), 200, ""),
        (None, Some(cousin), 401, MISSING),
        // The target's own id skips both checks.
        (None, Some(child), 200, ""),
        (None, Some("nobody"), 403, UNRELATED),
        (None, Some("system:x"), 403, "invalid caller ID"),
    ];
    for (n, (bearer, claim, status, text)) in table.into_iter().enumerate() {
        let got = send(&f.bed, f.child.id, bearer, claim).await;
        assert_eq!((got.0, got.1.as_str()), (status, text), "row {n}: {claim:?}");
    }
    f.bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn o26_unknown_removed_and_malformed_targets_are_not_found() {
    let bed = Bed::new().await;
    let agent = Agent::saying("ok").await;
    let gone = bed.agent("Gone", None, &agent.url).await;
    bed.remove(gone.id).await;
    for id in [gone.id.to_string(), WorkspaceId::random().to_string(), "not-an-id".to_owned()] {
        let path = format!("/workspaces/{id}/a2a");
        let answer = bed.post(&path).bearer_auth(&bed.admin).json(&message("message/send", "x")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], "workspace not found");
    }
    assert!(agent.got().is_empty());
    bed.stop().await;
}
