//! S6 of the targets, the short run: every seed, and a fixed number of mutations of them, through the same functions
//! that `make fuzz` gives to libFuzzer. The mutations are the same on every machine and in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says so")]

mod address {
    pub use molecule_platform::registry::{AddressRules, Destination, Host, SystemNames};
}
#[path = "fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

use reqwest::Url;

/// Mutations of each target. A second or two in the suite; minutes belong to `make fuzz`.
const ROUNDS: usize = 4_000;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below.max(1)).unwrap()).unwrap()
    }
}

/// Pieces that turn up in attacks on readers of JSON, of events and of URLs.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"1e999",
    b"-0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\r\n\r\n",
    b"data:",
    b"\n\n",
    b"@",
    b"%00",
    b"[::ffff:127.0.0.1]",
    b"0x7f.1",
    b"//",
    b"\xef\xbb\xbf",
];

fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        match dice.roll(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => drop(bytes.splice(at..at, PIECES[dice.roll(PIECES.len())].iter().copied())),
            3 => bytes.truncate(at),
            4 => {
                let end = at + dice.roll(bytes.len() - at + 1);
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            _ => {
                let other = &seeds[dice.roll(seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.roll(other.len() + 1)..]);
            }
        }
    }
    bytes
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = match target {
        "normaliser" => ["valid", "invalid", "malformed"]
            .map(|kind| root.join("src-tauri/crates/a2a/testdata/corpus").join(kind))
            .to_vec(),
        target => vec![root.join("tests/fuzz/seeds").join(target)],
    };
    let mut files: Vec<_> =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

fn run(name: &str) {
    let (_, target) = targets::TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    assert!(seeds.len() >= 8, "{name} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| target(seed));
    let mut dice = Dice(0x005e_ed0f_0e1e_c01e);
    for _ in 0..ROUNDS {
        let bytes = mutated(&mut dice, &seeds);
        if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
            eprintln!("{name} fails for {}", bytes.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn s6_the_normaliser() {
    run("normaliser");
}

#[test]
fn s6_cards() {
    run("card");
}

#[test]
fn s6_json_rpc() {
    run("jsonrpc");
}

#[test]
fn s6_server_sent_events() {
    run("sse");
}

#[test]
fn s6_the_url_guard() {
    run("url");
}

/// Each target has a program for libFuzzer, and nothing else is there.
#[test]
fn s6_make_fuzz_runs_every_target() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/Cargo.toml")).unwrap();
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in tests/fuzz/Cargo.toml");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets::TARGETS.len());
}
