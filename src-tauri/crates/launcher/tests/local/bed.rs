//! A data directory, a launcher whose agents run a given script, and a look at the process table.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use molecule_launcher::{Access, Credentials, Exit, Launch, LaunchSpec, Launcher, LocalLauncher, LocalOptions};
use molecule_model::WorkspaceId;
use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::time::timeout;

/// Says where it listens and lives until its stdin ends.
pub const WELL_BEHAVED: &str = r#"
echo '{"listening":"http://127.0.0.1:41234"}'
while read -r line; do :; done
"#;

/// Says where it listens and ignores everything but SIGKILL.
pub const STUBBORN: &str = r#"
trap '' TERM HUP INT
echo '{"listening":"http://127.0.0.1:41234"}'
while :; do sleep 1000; done
"#;

/// Longer than anything here should take, shorter than the sleeps in the scripts.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Bed {
    pub home: TempDir,
    pub launcher: LocalLauncher,
    pub exits: broadcast::Receiver<Exit>,
    pub installation: String,
}

impl Bed {
    pub fn new(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    pub fn with(script: &str, adjust: impl FnOnce(&mut LocalOptions)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let installation = WorkspaceId::random().to_string();
        let launcher = launcher(script, &installation, home.path(), adjust);
        let exits = launcher.subscribe_exits();
        Self { home, launcher, exits, installation }
    }

    /// Another server over the same data directory.
    pub fn second_launcher(&self, script: &str) -> LocalLauncher {
        self.second_launcher_with(script, |_| {})
    }

    pub fn second_launcher_with(&self, script: &str, adjust: impl FnOnce(&mut LocalOptions)) -> LocalLauncher {
        launcher(script, &self.installation, self.home.path(), adjust)
    }

    pub fn folder(&self, id: WorkspaceId) -> PathBuf {
        self.home.path().join(id.to_string())
    }

    pub fn launch(&self, id: WorkspaceId) -> Launch {
        self.launch_with(id, |_| {})
    }

    pub fn launch_with(&self, id: WorkspaceId, adjust: impl FnOnce(&mut LaunchSpec)) -> Launch {
        let folder = self.folder(id);
        fs::create_dir_all(folder.join("configs")).unwrap();
        let mut spec = LaunchSpec {
            workspace_id: id,
            name: "Researcher".into(),
            config_dir: folder.join("configs"),
            workspace_dir: folder.join("workspace"),
            workspace_access: Access::ReadWrite,
            env: [("OPENAI_API_KEY".to_owned(), "sk-very-secret".into())].into(),
            memory_mb: 512,
            log_path: folder.join("agent.log"),
            state_path: folder.join("run.json"),
        };
        adjust(&mut spec);
        Launch::new(spec, credentials())
    }

    pub async fn exit(&mut self) -> Exit {
        timeout(SOON, self.exits.recv()).await.expect("no exit").unwrap()
    }

    /// Processes that carry the mark of this installation, zombies excepted.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("MOLECULE_INSTALLATION={}", self.installation);
        let pids = fs::read_dir("/proc").unwrap().flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| environ(*pid).contains(&mark))
            .collect()
    }

    pub fn assert_no_processes(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "still there: {left:?}");
    }

    /// What a failed or undone start must not leave.
    pub fn assert_nothing_left(&self, id: WorkspaceId) {
        self.assert_no_processes();
        for name in ["run.json", "configs/.auth_token", "configs/.platform_inbound_secret"] {
            let path = self.folder(id).join(name);
            assert!(!path.exists(), "{name} was left behind");
        }
    }
}

/// A failed test leaves no processes on the machine.
impl Drop for Bed {
    fn drop(&mut self) {
        for pid in self.processes() {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed());
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
    }
}

fn launcher(script: &str, installation: &str, root: &Path, adjust: impl FnOnce(&mut LocalOptions)) -> LocalLauncher {
    let mut options = LocalOptions::new("/bin/sh", installation, root);
    options.args = ["-c", script, "fake-agent"].map(str::to_owned).into();
    adjust(&mut options);
    LocalLauncher::new(options)
}

pub fn credentials() -> Credentials {
    Credentials {
        auth_token: "token-very-secret".into(),
        inbound_secret: "inbound-very-secret".into(),
        platform_url: "http://127.0.0.1:1/as/capability-very-secret".into(),
    }
}

/// The environment that a process was started with; empty when there is no such process.
pub fn environ(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

pub fn variables(pid: u32) -> BTreeMap<String, String> {
    let entries = environ(pid).into_iter();
    entries.filter_map(|entry| entry.split_once('=').map(|(name, value)| (name.into(), value.into()))).collect()
}

/// Waits for what another process does; there is no event for it here.
pub async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + SOON;
    while !happened() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
