//! S303: arrows between crates run one way, and each crate stays out of what is not its business.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::{Value, json};

use super::tree::root;

/// A crate, what of ours it may use, and what it may not have anywhere below it, with the reason.
struct Layer {
    name: &'static str,
    uses: &'static [&'static str],
    never: &'static [&'static str],
    reason: &'static str,
}

const LAYERS: [Layer; 8] = [
    Layer {
        name: "molecule-model",
        uses: &[],
        never: &["tokio", "axum", "hyper", "reqwest", "rusqlite", "keyring", "tower-http"],
        reason: "the model is pure: no I/O and no clock",
    },
    Layer {
        name: "molecule-a2a",
        uses: &["molecule-model"],
        never: &["rusqlite", "keyring", "axum"],
        reason: "the protocol knows no database, no keychain and no routes",
    },
    Layer {
        name: "molecule-store",
        uses: &["molecule-model"],
        never: &["axum", "hyper", "reqwest", "tower-http", "keyring"],
        reason: "the store knows no HTTP and no secret values",
    },
    Layer {
        name: "molecule-vault",
        uses: &["molecule-model"],
        never: &["axum", "hyper", "reqwest", "rusqlite"],
        reason: "the vault knows no HTTP and no database",
    },
    Layer {
        name: "molecule-launcher",
        uses: &["molecule-model"],
        never: &["rusqlite", "axum", "keyring"],
        reason: "a launcher knows no database, no routes and no vault",
    },
    Layer {
        name: "molecule-platform",
        uses: &["molecule-model", "molecule-a2a", "molecule-store", "molecule-vault", "molecule-launcher"],
        never: &["tauri", "molecule-agent"],
        reason: "the server stands without a window and without the embedded agent",
    },
    Layer {
        name: "molecule-agent",
        uses: &["molecule-model", "molecule-a2a"],
        never: &["molecule-platform", "molecule-store", "rusqlite", "keyring", "tauri"],
        reason: "an agent is a program of its own that reaches the platform over HTTP only",
    },
    Layer {
        name: "molecule-desktop",
        uses: &["molecule-platform", "molecule-agent"],
        never: &[],
        reason: "the app joins the server and the agent, and nothing below them",
    },
];

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// By name: what each package needs to be built into a program, on any system, without test helpers.
fn graph(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    let name_of = |id: &Value| {
        let package = packages.iter().find(|package| package["id"] == *id).unwrap();
        package["name"].as_str().unwrap().to_owned()
    };
    let names: BTreeMap<&str, String> =
        packages.iter().map(|package| (package["id"].as_str().unwrap(), name_of(&package["id"]))).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in metadata["resolve"]["nodes"].as_array().unwrap() {
        let entry = graph.entry(names[node["id"].as_str().unwrap()].clone()).or_default();
        for dependency in node["deps"].as_array().unwrap() {
            let built_in = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            if built_in {
                entry.insert(names[dependency["pkg"].as_str().unwrap()].clone());
            }
        }
    }
    graph
}

/// Everything below `name`, each with the way that leads there.
fn reach(graph: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let mut open = vec![(name.to_owned(), name.to_owned())];
    while let Some((name, way)) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if !seen.contains_key(next) {
                let way = format!("{way} → {next}");
                seen.insert(next.clone(), way.clone());
                open.push((next.clone(), way));
            }
        }
    }
    seen
}

fn violations(metadata: &Value) -> Vec<String> {
    let graph = graph(metadata);
    let ours: BTreeSet<&str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| package["source"].is_null())
        .filter_map(|package| package["name"].as_str())
        .collect();
    let mut found = Vec::new();
    for name in &ours {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == *name) else {
            found.push(format!("S303: {name} has no layer: say in tests/gates/layers.rs what it may use, and why"));
            continue;
        };
        for used in graph[*name].iter().filter(|used| ours.contains(used.as_str())) {
            if !layer.uses.contains(&used.as_str()) && used != name {
                found.push(format!("S303: {name} uses {used} (its Cargo.toml): {}", layer.reason));
            }
        }
        for (met, way) in reach(&graph, name) {
            if layer.never.contains(&met.as_str()) {
                found.push(format!("S303: {name} must not reach {met} ({way}): {}", layer.reason));
            }
        }
    }
    found
}

#[test]
fn s303_arrows_between_crates_run_one_way() {
    let found = violations(&metadata());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A dependency of `from` on `to`, put into the resolved graph.
fn inject(metadata: &mut Value, from: &str, to: &str) {
    let id = |name: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        packages.iter().find(|package| package["name"] == name).unwrap()["id"].clone()
    };
    let (from, to) = (id(from), id(to));
    let nodes = metadata["resolve"]["nodes"].as_array_mut().unwrap();
    let node = nodes.iter_mut().find(|node| node["id"] == from).unwrap();
    let edge = json!({"name": "injected", "pkg": to, "dep_kinds": [{"kind": null, "target": null}]});
    node["deps"].as_array_mut().unwrap().push(edge);
}

#[test]
fn s305_the_layer_gate_sees_every_kind_of_wrong_arrow() {
    let clean = metadata();
    for (from, to, said) in [
        ("molecule-store", "axum", "molecule-store must not reach axum"),
        ("molecule-launcher", "rusqlite", "molecule-launcher must not reach rusqlite"),
        ("molecule-model", "tokio", "molecule-model must not reach tokio"),
        ("molecule-model", "reqwest", "molecule-model must not reach reqwest"),
        ("molecule-agent", "molecule-platform", "molecule-agent uses molecule-platform"),
        ("molecule-a2a", "molecule-store", "molecule-a2a uses molecule-store"),
        ("molecule-platform", "molecule-agent", "molecule-platform must not reach molecule-agent"),
        ("molecule-desktop", "molecule-store", "molecule-desktop uses molecule-store"),
    ] {
        let mut tree = clean.clone();
        inject(&mut tree, from, to);
        let found = violations(&tree);
        let message = found.iter().find(|message| message.contains(said));
        let message = message.unwrap_or_else(|| panic!("{from} → {to} was not seen: {found:?}"));
        assert!(message.starts_with("S303: ") && message.contains(": "), "rule, place and reason: {message}");
    }
    // By a detour too.
    let mut tree = clean.clone();
    inject(&mut tree, "serde_json", "axum");
    assert!(violations(&tree).iter().any(|message| message.contains("molecule-store must not reach axum")));
    // A crate that nobody thought about.
    let mut tree = clean;
    for package in tree["packages"].as_array_mut().unwrap() {
        if package["name"] == "molecule-vault" {
            package["name"] = json!("molecule-attic");
        }
    }
    assert!(violations(&tree).iter().any(|message| message.contains("molecule-attic has no layer")));
}
