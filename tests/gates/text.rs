//! The text of the repository belongs to everybody: no path of one person's machine is in it.

use std::{path::Path, process::Command};

use super::tree::{Source, below, line_of, relative, root};

/// Folders that every machine has, and whose names may stand in a text.
const EVERYWHERE: [&str; 12] =
    ["/", "/tmp", "/home", "/root", "/opt", "/srv", "/usr", "/var", "/mnt", "/media", "/Users", "/private"];

/// The path of this checkout, and the folder that holds it where that is a folder of its own.
fn paths_of_this_machine(checkout: &Path) -> Vec<String> {
    let mut paths = vec![checkout.display().to_string()];
    if let Some(parent) = checkout.parent().map(|parent| parent.display().to_string())
        && !EVERYWHERE.contains(&parent.as_str())
    {
        paths.push(format!("{parent}/"));
    }
    paths
}

fn violations(tree: &[Source], paths: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for source in tree {
        for path in paths {
            for (at, _) in source.text.match_indices(path.as_str()) {
                found.push(format!(
                    "{}:{} has {path:?}, a path of one machine: it means nothing on another",
                    source.path,
                    line_of(&source.text, at)
                ));
            }
        }
    }
    found
}

/// What is committed or could be, as text; everything where git is not at hand.
fn texts() -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let files = match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect()
        }
        _ => below(root()).into_iter().filter(|file| is_source(&relative(file))).collect::<Vec<_>>(),
    };
    let texts = files.iter().filter_map(|file| {
        let text = std::fs::read_to_string(file).ok()?;
        Some(Source { path: relative(file), text })
    });
    texts.collect()
}

fn is_source(path: &str) -> bool {
    let made = ["target/", "ui/node_modules/", "ui/dist/", "tests/peers/node_modules/", ".cache/", ".git/"];
    !made.iter().any(|folder| path.starts_with(folder))
}

#[test]
fn no_path_of_one_machine_is_in_the_repository() {
    let tree = texts();
    assert!(tree.len() > 100, "only {} files were read", tree.len());
    let found = violations(&tree, &paths_of_this_machine(root()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn s205_contributors_are_told_who_depends_on_the_wire() {
    let text = std::fs::read_to_string(root().join("docs/contributing.md")).unwrap();
    let (_, section) = text.split_once("## Who depends on the wire").unwrap();
    for client in ["molecule-sdk-python", "molecule-ai-workspace-runtime", "molecule-mcp-claude-channel", "a2a-sdk"] {
        assert!(section.contains(client), "{client}");
    }
    // What the table points to is there.
    let suites = section.split('`').filter(|word| word.starts_with("tests/"));
    let missing: Vec<&str> = suites.filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn s305_the_path_gate_sees_a_path() {
    let paths = paths_of_this_machine(Path::new("/build/of-alice/molecule"));
    let bad = Source::new("docs/x.md", "one\nsee /build/of-alice/molecule/README.md and /build/of-alice/notes");
    let found = violations(&[bad], &paths);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("docs/x.md:2 "), "{found:?}");
    let good = Source::new("docs/x.md", "/workspaces/{id}, /builder, /tmp/x");
    assert!(violations(&[good], &paths).is_empty());
    assert_eq!(paths_of_this_machine(Path::new("/tmp/molecule")), ["/tmp/molecule"]);
}
