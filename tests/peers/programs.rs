//! The programs beside this file, run as children that end with their test.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::{SOON, skipped};

/// The folder of the programs.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// Who runs a program.
#[derive(Clone, Copy, Debug)]
pub enum Runner {
    /// Python with a2a-sdk 1.x.
    PythonV1,
    /// Python with a2a-sdk 0.3.x.
    PythonV03,
    /// Node.js with both generations of `@a2a-js/sdk`.
    Node,
}

impl Runner {
    /// Its program.
    pub fn program(self) -> PathBuf {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache");
        match self {
            Self::PythonV1 => cache.join("venv/bin/python"),
            Self::PythonV03 => cache.join("venv-a2a-v03/bin/python"),
            Self::Node => {
                let own = cache.join("node/bin/node");
                if own.exists() { own } else { "node".into() }
            }
        }
    }

    /// Whether what it needs is installed; says so where it is not.
    pub fn is_here(self, test: &str) -> bool {
        let here = match self {
            Self::Node => folder().join("node_modules/@a2a-js/sdk").exists(),
            _ => self.program().exists(),
        };
        if !here {
            skipped(test, &format!("{self:?} is not installed; run scripts/setup test"));
        }
        here
    }
}

/// A running program and the lines of JSON that it prints.
pub struct Program {
    _child: Child,
    said: Lines<BufReader<ChildStdout>>,
    name: String,
}

impl Program {
    pub fn start<A: AsRef<OsStr>>(runner: Runner, file: &str, arguments: &[A]) -> Self {
        let mut command = Command::new(runner.program());
        command.arg(folder().join(file)).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        // What this machine is set to must not lead a call on loopback elsewhere.
        command.env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{runner:?} for {file}: {error}"));
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, said, name: file.to_owned() }
    }

    /// Its next line; `None` after its end.
    pub async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(3 * SOON, self.said.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} said nothing for {:?}", self.name, 3 * SOON)).unwrap()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{} said {line:?}", self.name)))
    }
}
