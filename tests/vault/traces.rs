//! Where a value may have left a trace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{TestServer, process};

/// Every place in which `needle` stands as it is, outside of keychains and environments.
pub async fn traces_of(needle: &str, server: &TestServer) -> Vec<String> {
    let needle = needle.as_bytes();
    let mut found = Vec::new();
    for file in files_below(&server.data()) {
        if holds(&fs::read(&file).unwrap_or_default(), needle) {
            found.push(file.display().to_string());
        }
    }
    if holds(server.log().as_bytes(), needle) {
        found.push("the server's log".into());
    }
    for (pid, arguments) in process::command_lines() {
        if holds(&arguments, needle) {
            found.push(format!("the arguments of process {pid}"));
        }
    }
    for path in ["/events", "/app/state", "/health", "/metrics", "/workspaces", "/settings/secrets"] {
        if holds(&server.admin().get(path).await.body, needle) {
            found.push(path.into());
        }
    }
    found
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|part| part == needle)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}
