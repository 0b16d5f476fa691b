use molecule_model::event::EventKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::Bed;

fn write(bed: &Bed, path: &str, text: &str) {
    let path = bed.home.path().join("data/templates").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn r77_an_empty_data_directory_lists_what_ships() {
    let bed = Bed::new().await;
    let roles = bed.get("/templates").await;
    let find = |id: &str| {
        roles
            .as_array()
            .unwrap()
            .iter()
            .find(|role| role["id"] == id)
            .cloned()
            .unwrap_or_else(|| panic!("{id} does not ship"))
    };
    assert_eq!(find("claude-code-default")["runtime"], "claude-code");
    for id in ["local-assistant", "local-researcher", "local-reviewer"] {
        let role = find(id);
        assert_eq!((role["runtime"].as_str(), role["source"].as_str()), (Some("local"), Some("shipped")));
        assert!(role["skills"].is_array() && role["skill_count"].is_number(), "{role}");
    }
    let orgs = bed.get("/org/templates").await;
    let team = orgs.as_array().unwrap().iter().find(|org| org["dir"] == "product-team").cloned().unwrap();
    assert_eq!(
        (team["workspaces"].as_i64(), team["required_env"].clone(), team["recommended_env"].is_array()),
        (Some(5), json!([]), true)
    );
    assert_eq!(bed.get("/templates/problems").await, json!({"broken": []}));
}

#[tokio::test]
async fn the_users_own_lie_over_the_shipped_ones_and_faults_have_a_place() {
    let bed = Bed::new().await;
    write(
        &bed,
        "workspaces/scribe/config.yaml",
        "
name: Scribe
description: Writes
tier: 2
runtime: claude-code
providers: [{name: m, base_url: null, auth_env: [M_KEY], model_prefixes: [M-]}]
runtime_config:
  model: sonnet
  models: [{id: sonnet, required_env: [K]}]
  required_env: [K]
  providers: [anthropic]
  provision_timeout_seconds: 900
skills: [changelog]
",
    );
    write(&bed, "workspaces/local-assistant/config.yaml", "name: Mine\nruntime: local\n");
    write(&bed, "workspaces/broken/config.yaml", "name: x\nruntime_config:\n  providers: {a: b}\n");
    write(&bed, "workspaces/no-template/readme.md", "x");
    write(&bed, "orgs/torn/org.yaml", "name: Torn\nworkspaces:\n  - name: A\n  children: []\n   - x\n");
    let roles = bed.get("/templates").await;
    let find = |id: &str| roles.as_array().unwrap().iter().find(|role| role["id"] == id).cloned();
    let mut scribe = find("scribe").unwrap();
    scribe.as_object_mut().unwrap().remove("source");
    assert_eq!(
        scribe,
        json!({
            "id": "scribe", "name": "Scribe", "description": "Writes", "tier": 2, "runtime": "claude-code", "model": "sonnet",
            "models": [{"id": "sonnet", "required_env": ["K"]}], "required_env": ["K"], "providers": ["anthropic"],
            "provider_registry": [{"name": "m", "model_prefixes": ["M-"], "auth_env": ["M_KEY"]}],
            "skills": ["changelog"], "skill_count": 1, "provision_timeout_seconds": 900,
        })
    );
    assert_eq!(find("local-assistant").unwrap()["name"], "Mine");
    assert!(find("broken").is_none() && find("no-template").is_none());
    let problems = bed.get("/templates/problems").await;
    let broken = problems["broken"].as_array().unwrap();
    assert_eq!(broken.len(), 2, "{problems}");
    assert_eq!(
        (broken[0]["kind"].as_str(), broken[0]["id"].as_str(), broken[0]["file"].as_str(), broken[0]["line"].as_i64()),
        (Some("workspace"), Some("broken"), Some("config.yaml"), Some(3))
    );
    assert_eq!(
        (broken[1]["kind"].as_str(), broken[1]["id"].as_str(), broken[1]["file"].as_str()),
        (Some("org"), Some("torn"), Some("org.yaml"))
    );
    assert!(!problems.to_string().contains(bed.home.path().to_str().unwrap()));
    // One accessor for the list of workspaces and the deadline (20 §11.4).
    let id = bed.create(json!({"name": "Coder"})).await;
    assert_eq!(bed.row(id).await["provision_timeout_ms"], 900_000);
    let (status, body) = bed.ask(Method::POST, "/org/import", json!({"dir": "torn"})).await;
    assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid org template")));
}

#[tokio::test]
async fn r28_a_changed_template_is_told_with_the_line_of_its_fault() {
    let bed = Bed::new().await;
    // The watcher starts beside the server; the folder is there once it watches.
    bed.until("the watcher runs", || async { bed.home.path().join("data/templates/orgs").is_dir() }).await;
    bed.until("the watcher beats", || async { bed.app().tasks.beats().contains_key("template-watcher") }).await;
    let mut heard = bed.listen();
    write(&bed, "workspaces/fresh/config.yaml", "name: Fresh\nruntime: local\n");
    let changed = next_about(&mut heard, "fresh").await;
    assert_eq!((changed["kind"].as_str(), changed["state"].as_str()), (Some("workspace"), Some("valid")));
    write(&bed, "workspaces/fresh/config.yaml", "name: Fresh\nruntime: [\n");
    let changed = next_about(&mut heard, "fresh").await;
    assert_eq!(
        (changed["state"].as_str(), changed["line"].as_i64(), changed["file"].as_str()),
        (Some("broken"), Some(2), Some("config.yaml"))
    );
    std::fs::remove_dir_all(bed.home.path().join("data/templates/workspaces/fresh")).unwrap();
    assert_eq!(next_about(&mut heard, "fresh").await["state"], "gone");
    write(&bed, "orgs/duo/org.yaml", "name: Duo\nworkspaces:\n  - name: A\n  - name: B\n");
    let changed = next_about(&mut heard, "duo").await;
    assert_eq!((changed["kind"].as_str(), changed["state"].as_str()), (Some("org"), Some("valid")));
    std::fs::remove_dir_all(bed.home.path().join("data/templates/orgs/duo")).unwrap();
    let changed = next_about(&mut heard, "duo").await;
    assert_eq!((changed["kind"].as_str(), changed["state"].as_str()), (Some("org"), Some("gone")));
}

async fn next_about(heard: &mut crate::bed::Heard, id: &str) -> Value {
    let event = heard.next(&[EventKind::TemplatesChanged]).await;
    let payload = event.envelope.payload.fields();
    let changed = payload["changed"].as_array().unwrap();
    changed.iter().find(|one| one["id"] == id).cloned().unwrap_or_else(|| panic!("{changed:?} does not name {id}"))
}
