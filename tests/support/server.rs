//! The real program on a data directory of its own.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Api, Events, api, process};

/// The program under test.
pub const MOLECULE: &str = env!("CARGO_BIN_EXE_molecule");

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(30);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(20);

/// How a server is started.
pub struct Builder {
    folder: TempDir,
    env: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
}

impl Builder {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("molecule-test-").tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        let mut builder = Self { folder, env: Vec::new(), arguments: vec!["--port".into(), "0".into()] };
        builder.env.push(("RUST_BACKTRACE".into(), "1".into()));
        builder.env("MOLECULE_KEYCHAIN", "off").env("RUST_LOG", "info,molecule=debug,hyper=warn")
    }

    /// Sets a variable of the server; its environment is otherwise empty.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let name = name.into();
        self.env.retain(|(known, _)| *known != name);
        self.env.push((name, value.into()));
        self
    }

    /// Takes a variable away again.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// The arguments after `serve`; `--port 0` unless said otherwise.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        self
    }

    /// The data directory, to put something into before the start.
    pub fn data(&self) -> PathBuf {
        let data = self.folder.path().join("data");
        fs::create_dir_all(&data).unwrap();
        data
    }

    /// The command that starts the server, for starts that are meant to fail.
    pub fn command(&self) -> Command {
        let mut command = program(self.folder.path(), &self.env);
        command.arg("serve").args(&self.arguments);
        command
    }

    /// Starts it and waits until it has printed its link.
    pub async fn start(self) -> TestServer {
        let mut server = TestServer {
            folder: Some(self.folder),
            env: self.env,
            arguments: self.arguments,
            running: None,
            installation: String::new(),
        };
        server.launch().await;
        server.installation = server.state().await["installation_id"].as_str().unwrap().to_owned();
        server
    }
}

/// `molecule` with a cleared environment.
fn program(folder: &Path, env: &[(OsString, OsString)]) -> Command {
    let mut command = Command::new(MOLECULE);
    command.env_clear().current_dir(folder).stdin(Stdio::null());
    for name in ["PATH", "LLVM_PROFILE_FILE"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("HOME", folder.join("home")).env("MOLECULE_HOME", folder.join("data"));
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}

struct Running {
    process: Child,
    link: String,
    port: u16,
    admin: String,
    client: reqwest::Client,
}

/// A server of the test's own. Dropping it stops it and fails the test if it left something behind.
pub struct TestServer {
    folder: Option<TempDir>,
    env: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
    running: Option<Running>,
    installation: String,
}

impl TestServer {
    /// One as a person has it on a bare laptop, without a keychain.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One that behaves like a development server.
    pub async fn development() -> Self {
        Self::builder().env("MOLECULE_ENV", "development").start().await
    }

    pub fn builder() -> Builder {
        Builder::new()
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the server is stopped")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// A file or folder beside the data directory, gone with the server.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn port(&self) -> u16 {
        self.running().port
    }

    pub fn pid(&self) -> u32 {
        self.running().process.id()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The link that it printed.
    pub fn link(&self) -> &str {
        &self.running().link
    }

    /// The one-time ticket in the link.
    pub fn ticket(&self) -> &str {
        self.link().split_once("#ticket=").unwrap().1
    }

    /// Tells this data directory's agents from all others.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    pub fn admin_token(&self) -> &str {
        &self.running().admin
    }

    /// The person, by the admin token.
    pub fn admin(&self) -> Api {
        self.bearer(self.admin_token())
    }

    /// Somebody without a credential.
    pub fn anonymous(&self) -> Api {
        self.by_url(&self.url())
    }

    /// Somebody with this bearer.
    pub fn bearer(&self, token: &str) -> Api {
        Api::by(self.running().client.clone(), self.url(), Some(token))
    }

    /// Somebody with a base URL that carries the credential, and no header.
    pub fn by_url(&self, base: &str) -> Api {
        Api::by(self.running().client.clone(), base, None)
    }

    /// A window of the canvas: exchanges a fresh ticket.
    pub async fn canvas(&self) -> Api {
        let ticket = self.admin().post("/app/ticket", &json!({})).await.expect(200);
        let body = json!({"ticket": ticket["ticket"]});
        let session = self.anonymous().post("/launch", &body).await.expect(200);
        self.bearer(session["token"].as_str().unwrap())
    }

    /// Every event from `since` on, or from now on.
    pub async fn events(&self, since: Option<i64>) -> Events {
        Events::open(&self.url(), self.admin_token(), since).await.unwrap()
    }

    /// `GET /app/state`.
    pub async fn state(&self) -> Value {
        self.admin().get("/app/state").await.expect(200)
    }

    /// What the server has written to its log since the first start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("server.log")).unwrap_or_default()
    }

    /// The agents of this installation that run now.
    pub fn agents(&self) -> Vec<u32> {
        process::agents_of(&self.installation)
    }

    /// Another command of the program on the same data directory (`open`, `doctor`, a second `serve`).
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder(), &self.env);
        command.args(arguments);
        command
    }

    /// The memory of the server's process, from outside (KiB).
    pub fn resident_kib(&self) -> u64 {
        process::resident_kib(self.pid()).unwrap()
    }

    async fn launch(&mut self) {
        let log_path = self.folder().join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(&log_path).unwrap();
        let mut command = program(self.folder(), &self.env);
        command.arg("serve").args(&self.arguments).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().unwrap();
        let said = lines_of(process.stdout.take().unwrap());
        let link = tokio::task::spawn_blocking(move || first_link(&said)).await.unwrap();
        let Some(link) = link else {
            drop(process.kill());
            let code = process.wait().unwrap();
            panic!("the server did not start ({code}):\n{}", tail(&log_path));
        };
        let data = self.data();
        let published: Value = serde_json::from_slice(&fs::read(data.join("endpoint.json")).unwrap()).unwrap();
        assert_eq!(published["pid"], process.id(), "endpoint.json names the server");
        let port = published["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
        let admin = fs::read_to_string(data.join("admin.token")).unwrap().trim().to_owned();
        self.running = Some(Running { process, link, port, admin, client: api::client() });
    }

    /// Stops it as a person would (SIGTERM) and waits for its end.
    pub fn stop(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        process::signal(running.process.id(), Signal::TERM);
        let gone = wait_for(&mut running.process, STOP);
        if !gone {
            process::kill9(running.process.id());
            drop(running.process.wait());
            panic!("the server did not stop within {STOP:?}");
        }
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        process::kill9(running.process.id());
        running.process.wait().unwrap();
    }

    /// Starts it again on the same data directory; one that runs is stopped first.
    pub async fn restart(&mut self) {
        self.stop();
        self.launch().await;
    }

    /// As [`Self::restart`], listening on the port it had before.
    pub async fn restart_on_the_same_port(&mut self, port: u16) {
        self.stop();
        let before = std::mem::replace(&mut self.arguments, vec!["--port".into(), port.to_string()]);
        self.launch().await;
        self.arguments = before;
    }

    /// As [`Self::restart`], with a variable set from now on.
    pub async fn restart_with(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
        self.restart().await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.stop()));
        let left: Vec<u32> = if self.installation.is_empty() {
            Vec::new()
        } else {
            let gone = |pid: &u32| process::ends_within(*pid, Duration::from_secs(5));
            self.agents().into_iter().filter(|pid| !gone(pid)).collect()
        };
        left.iter().for_each(|pid| process::kill9(*pid));
        let log = self.log();
        let folder = self.folder.take();
        let path = folder.as_ref().map(|folder| folder.path().to_owned());
        if failing {
            eprintln!("--- end of the server's log ---\n{}", last_lines(&log, 60));
            return;
        }
        assert!(stopped.is_ok(), "the server did not stop:\n{}", last_lines(&log, 60));
        assert!(left.is_empty(), "agents were left running: {left:?}");
        if let Some(line) = log.lines().find(|line| line.contains("panicked")) {
            panic!("the server panicked: {line}\n{}", last_lines(&log, 60));
        }
        folder.map(TempDir::close).transpose().unwrap();
        assert!(!path.is_some_and(|path| path.exists()), "the data directory was left");
    }
}

/// Waits, blocking, for the end of a child.
pub fn wait_for(process: &mut Child, limit: Duration) -> bool {
    let deadline = std::time::Instant::now() + limit;
    while std::time::Instant::now() < deadline {
        if process.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// The lines of a child's standard output, as they come; the reader lives as long as the child.
fn lines_of(stdout: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            drop(sender.send(line));
        }
    });
    lines
}

/// The link in what a start prints; `None` when the output ended or the time was up.
fn first_link(lines: &mpsc::Receiver<String>) -> Option<String> {
    let deadline = std::time::Instant::now() + START;
    loop {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let line = lines.recv_timeout(left).ok()?;
        if line.contains("#ticket=") {
            return Some(line.trim().to_owned());
        }
    }
}

fn tail(path: &Path) -> String {
    last_lines(&fs::read_to_string(path).unwrap_or_default(), 60)
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A command run to its end.
pub fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// An empty file, to see that something can be written at all.
pub fn can_write(folder: &Path) -> bool {
    let path = folder.join("probe");
    let made = File::create(&path).is_ok();
    drop(fs::remove_file(path));
    made
}
