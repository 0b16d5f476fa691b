//! Every behaviour that is claimed done has a test that carries its row (`S123`) in its name.
//!
//! `tests/coverage/rows.txt` holds the claims. `cargo test --test coverage -- --nocapture` prints the list of
//! rows with their tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a test says so")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

/// Row number to the tests that carry it.
type Tests = BTreeMap<u16, BTreeSet<String>>;

/// What `rows.txt` says.
#[derive(Debug, Default, PartialEq)]
struct Claims {
    rows: BTreeSet<u16>,
    elsewhere: BTreeMap<u16, String>,
}

impl Claims {
    fn parse(text: &str) -> Self {
        let line = Regex::new(r"^(?:(-) )?S(\d{3})(?:-S(\d{3}))?\s+(\S.*)$").unwrap();
        let mut claims = Self::default();
        for row in text.lines().map(str::trim).filter(|row| !row.is_empty() && !row.starts_with('#')) {
            let found = line.captures(row).unwrap_or_else(|| panic!("not a claim: {row:?}"));
            let number = |group: usize| found.get(group).map(|text| text.as_str().parse::<u16>().unwrap());
            let first = number(2).unwrap();
            if found.get(1).is_some() {
                claims.elsewhere.insert(first, found[4].to_owned());
            } else {
                claims.rows.extend(first..=number(3).unwrap_or(first));
            }
        }
        claims
    }

    /// What is claimed and has no test, and what is excused and needs no excuse.
    fn violations(&self, tests: &Tests) -> Vec<String> {
        let missing = self.rows.iter().filter(|row| !tests.contains_key(row) && !self.elsewhere.contains_key(row));
        let excused = self.elsewhere.keys().filter(|row| tests.contains_key(row) || !self.rows.contains(row));
        missing
            .map(|row| format!("S{row:03} is claimed done and no test carries it"))
            .chain(excused.map(|row| format!("S{row:03} is excused, and is tested or not claimed")))
            .collect()
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

static ROW: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:^|[^A-Za-z0-9])[sS](\d{3})(?:[^0-9A-Za-z]|$)"));
/// The attribute, further attributes and comments, then the function.
static RUST_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:(?:#\[[^\n]*\]|//[^\n]*)\s*)*(?:async\s+)?fn\s+(\w+)")
});
static SCRIPT_TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"\b(?:it|test|describe|done)(?:\.\w+)*\(\s*['"`]([^'"`]*)['"`]"#));

/// The rows in a name: `s145_s147_busy` and `S145, S147: busy` alike.
fn rows_of(name: &str) -> Vec<u16> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(hit) = ROW.captures_at(name, at) {
        found.push(hit[1].parse().unwrap());
        // The separator may begin the next row too.
        at = hit.get(1).unwrap().end();
    }
    found
}

fn collect(tests: &mut Tests, file: &str, text: &str) {
    let pattern = if file.ends_with(".rs") { &RUST_TEST } else { &SCRIPT_TEST };
    for found in pattern.captures_iter(text) {
        for row in rows_of(&found[1]) {
            tests.entry(row).or_default().insert(format!("{} ({file})", &found[1]));
        }
    }
}

fn files_below(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name();
        let made = ["node_modules", "dist", "target", ".venv"].iter().any(|folder| name == *folder);
        if path.is_dir() && !made {
            files_below(&path, all);
        } else if path.extension().is_some_and(|kind| ["rs", "ts", "tsx", "mjs"].iter().any(|known| kind == *known)) {
            all.push(path);
        }
    }
}

fn tests_of_the_tree() -> Tests {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["tests", "src-tauri", "ui/src", "ui/e2e"].iter().for_each(|folder| files_below(&root.join(folder), &mut files));
    let mut tests = Tests::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        // The gate's own samples are no tests of the product.
        if name != "tests/coverage.rs" {
            collect(&mut tests, &name, &std::fs::read_to_string(&file).unwrap());
        }
    }
    tests
}

#[test]
fn every_claimed_row_has_a_test() {
    let claims = Claims::parse(include_str!("coverage/rows.txt"));
    let tests = tests_of_the_tree();
    for row in &claims.rows {
        match (tests.get(row), claims.elsewhere.get(row)) {
            (Some(names), _) => println!("S{row:03}  {}", names.iter().cloned().collect::<Vec<_>>().join(", ")),
            (None, Some(why)) => println!("S{row:03}  — {why}"),
            (None, None) => println!("S{row:03}  MISSING"),
        }
    }
    let violations = claims.violations(&tests);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_row_without_a_test_is_found() {
    let claims = Claims::parse("# a comment\nS101-S103 an area\nS200 one row\n- S102 done by others\n");
    assert_eq!(claims.rows, [101, 102, 103, 200].into());
    let mut tests = Tests::new();
    collect(
        &mut tests,
        "a.rs",
        "#[tokio::test]\n// why\n#[ignore]\nasync fn s101_it_works() {}\nfn s103_is_no_test() {}",
    );
    collect(&mut tests, "b.test.ts", "it('shows it (S200)', () => {})");
    assert_eq!(claims.violations(&tests), ["S103 is claimed done and no test carries it"]);
    collect(&mut tests, "c.rs", "#[test]\nfn s102_s103_both() {}");
    assert_eq!(claims.violations(&tests), ["S102 is excused, and is tested or not claimed"]);
}
