//! S220, S005: nothing starts an agent but the chain of provisioning, and nothing makes its credentials
//! but the step that mints.
//!
//! The types hold most of it: `Launcher::start` takes a `Launch`, and a `Launch` is made of `Credentials`.
//! What is left to a gate is that only provisioning makes either.

use std::collections::BTreeSet;

use regex::Regex;

use super::tree::{Source, line_of, program};

/// The room that may.
const HOME: &str = "src-tauri/crates/platform/src/provisioning/";
/// The crate whose own business it is.
const LAUNCHER: &str = "src-tauri/crates/launcher/";

fn violations(tree: &[Source]) -> Vec<String> {
    // What is called, whatever the variable is named: a start of something that is a launcher, a
    // `Launch` made, credentials made.
    let patterns = [
        (r"(?i)\blaunchers?\b[\w.()&?\[\]]*\s*\.\s*start\s*\(", "starts an agent"),
        (r"\bLauncher::start\b", "starts an agent"),
        (r"\bLaunch::new\b", "makes a launch"),
        (r"\bmolecule_launcher::(?:\{[^}]*\b)?Credentials\b", "makes an agent's credentials"),
    ];
    let patterns = patterns.map(|(pattern, does)| (Regex::new(pattern).unwrap(), does));
    let mut found = Vec::new();
    for source in tree {
        if source.path.starts_with(HOME) || source.path.starts_with(LAUNCHER) {
            continue;
        }
        let text = source.program();
        for (pattern, does) in &patterns {
            for hit in pattern.find_iter(&text) {
                let line = line_of(&text, hit.start());
                found.push(format!(
                    "S220: {}:{line} {does} ({}): only {HOME} may, after it has minted what the agent needs",
                    source.path,
                    hit.as_str().trim()
                ));
            }
        }
    }
    found
}

/// The functions of provisioning that make credentials: one step, so that no path can leave it out.
fn minting_places(tree: &[Source]) -> BTreeSet<String> {
    let makes = Regex::new(r"\bCredentials\s*\{\s*(?:auth_token|inbound_secret|platform_url)").unwrap();
    let ours = tree.iter().filter(|source| source.path.starts_with(HOME));
    ours.filter(|source| makes.is_match(&source.program())).map(|source| source.path.clone()).collect()
}

#[test]
fn s220_s005_only_provisioning_starts_agents_and_mints_for_them_in_one_place() {
    let tree = program();
    let found = violations(&tree);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let places = minting_places(&tree);
    assert_eq!(places.len(), 1, "S005: credentials are made in {places:?}");
}

#[test]
fn s305_the_minting_gate_sees_a_start_put_in_elsewhere() {
    for text in [
        "app.provisioning.launcher.start(launch).await?",
        "let handle = launcher.start(spec)",
        "self.launchers.get(&runtime)?.start(x)",
        "Launcher::start(&*local, launch).await",
        "let launch = Launch::new(spec, credentials);",
        "use molecule_launcher::{Access, Credentials, Launch};",
    ] {
        let elsewhere = Source::new("src-tauri/crates/platform/src/workspaces/mod.rs", text);
        assert!(!violations(&[elsewhere]).is_empty(), "{text}");
        let home = Source::new(&format!("{HOME}mod.rs"), text);
        assert!(violations(&[home]).is_empty(), "{text}");
    }
    for text in ["registry::start(app);", "provisioning::launch(app, id, Reason::Create)", "server::start(config)"] {
        assert!(violations(&[Source::new("x.rs", text)]).is_empty(), "{text}");
    }
    let made = "Credentials { auth_token, inbound_secret, platform_url }";
    let tree = [Source::new(&format!("{HOME}mint.rs"), made), Source::new(&format!("{HOME}restart.rs"), made)];
    assert_eq!(minting_places(&tree).len(), 2);
}
