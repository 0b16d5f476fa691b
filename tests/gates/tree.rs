//! The source as text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file, by its path in the repository.
#[derive(Clone, Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// What ends up in the program: without the tests at the end of the file and without comments.
    pub fn program(&self) -> String {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        let lines = self.text[..end].lines();
        lines.map(|line| if line.trim_start().starts_with("//") { "" } else { line }).collect::<Vec<_>>().join("\n")
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file of the program, the tests of its crates left out.
pub fn program() -> Vec<Source> {
    let mut files = Vec::new();
    for file in below(&root().join("src-tauri")) {
        let path = relative(&file);
        let of_a_test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs");
        let support = path.contains("/testing/") || path.contains("/benches/") || path.contains("/examples/");
        if path.ends_with(".rs") && !of_a_test && !support {
            files.push(Source { text: fs::read_to_string(&file).unwrap(), path });
        }
    }
    assert!(files.len() > 100, "the tree has {} files; the gates look in the wrong place", files.len());
    files
}

/// The path in the repository, with `/`.
pub fn relative(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Every file below a folder, sorted; links are not followed.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// The number of the line at this byte.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
