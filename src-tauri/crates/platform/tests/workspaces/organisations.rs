use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test]
async fn the_demo_organisation_is_announced_parents_first_and_every_agent_runs() {
    let bed = Bed::new().await;
    let mut heard = bed.listen();
    let (status, answer) = bed.ask(Method::POST, "/org/import", json!({"dir": "product-team"})).await;
    assert_eq!((status, answer["count"].as_i64()), (StatusCode::CREATED, Some(5)), "{answer}");
    let made: Vec<molecule_model::WorkspaceId> = answer["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect();
    let announced: Vec<_> = heard
        .so_far()
        .into_iter()
        .filter(|(kind, _)| *kind == "WORKSPACE_PROVISIONING")
        .filter_map(|(_, id)| id)
        .collect();
    assert_eq!(announced, made, "one event each, in the order of the answer");
    let mut known: HashSet<Value> = HashSet::new();
    let mut depths = HashSet::new();
    for id in &made {
        let row = bed.row(*id).await;
        let parent = row["parent_id"].clone();
        assert!(parent.is_null() || known.contains(&parent), "a parent comes before its children");
        depths.insert(parent.is_null());
        known.insert(json!(id));
        assert_eq!(row["runtime"], "local");
        bed.until_launched(*id).await;
        assert!(bed.app().paths.configs(*id).join("knowledge.md").is_file(), "{}", row["name"]);
    }
    let pids: HashSet<u32> = made.iter().map(|id| bed.pid(*id)).collect();
    assert_eq!((pids.len(), depths.len()), (5, 2), "five processes of their own");
}

#[tokio::test]
async fn a_missing_variable_stops_an_import_before_anything_is_made() {
    let bed = Bed::new().await;
    let org = json!({"name": "Needy", "required_env": ["A_KEY"], "workspaces": [{"name": "One", "runtime": "local", "required_env": [{"any_of": ["B", "C"]}]}]});
    let body = json!({"template": org, "force": true});
    let (status, answer) = bed.ask(Method::POST, "/org/import", body.clone()).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{answer}");
    assert_eq!(answer["missing_env"], json!(["A_KEY", {"any_of": ["B", "C"]}]));
    assert_eq!(bed.get("/workspaces").await, json!([]));
    for key in ["A_KEY", "C"] {
        bed.ask(Method::PUT, "/settings/secrets", json!({"key": key, "value": "v"})).await;
    }
    let (status, answer) = bed.ask(Method::POST, "/org/import", body).await;
    assert_eq!((status, answer["count"].as_i64()), (StatusCode::CREATED, Some(1)), "{answer}");
}
