//! A D-Bus session and a Secret Service of the test's own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Builder, TestServer, process, skipped};

/// A bus that starts nothing by itself: there is a Secret Service exactly when the test starts one.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=RUN</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>"#;

const PATIENCE: Duration = Duration::from_secs(30);

/// The session; everything of it ends with it.
pub struct Session {
    folder: TempDir,
    address: String,
    bus: Child,
    keyring: Option<Child>,
}

impl Session {
    /// A bus without a Secret Service; `None`, said on the console, where a tool is missing.
    pub fn start(test: &str) -> Option<Self> {
        for tool in ["dbus-daemon", "dbus-send", "gnome-keyring-daemon", "secret-tool"] {
            if !on_path(tool) {
                skipped(test, &format!("no {tool} on this machine"));
                return None;
            }
        }
        let folder = tempfile::Builder::new().prefix("molecule-session-").tempdir().unwrap();
        for name in ["run", "data", "config", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::set_permissions(folder.path().join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        let config = folder.path().join("bus.conf");
        fs::write(&config, BUS.replace("RUN", folder.path().join("run").to_str().unwrap())).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:"), "the bus said {address:?}");
        Some(Self { folder, address, bus, keyring: None })
    }

    /// With a Secret Service, unlocked.
    pub fn unlocked(test: &str) -> Option<Self> {
        let mut session = Self::start(test)?;
        session.start_keyring("right");
        Some(session)
    }

    /// Starts the Secret Service; it is unlocked if `password` is the one of its first start.
    pub fn start_keyring(&mut self, password: &str) {
        self.stop_keyring();
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        self.inside(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = command.spawn().unwrap();
        keyring.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        self.keyring = Some(keyring);
        self.wait_for_service(true);
    }

    pub fn stop_keyring(&mut self) {
        if let Some(mut keyring) = self.keyring.take() {
            process::signal(keyring.id(), Signal::CONT);
            keyring.kill().unwrap();
            keyring.wait().unwrap();
            self.wait_for_service(false);
        }
    }

    /// The person's keyrings are gone, as on another computer.
    pub fn lose_keyrings(&mut self) {
        self.stop_keyring();
        fs::remove_dir_all(self.folder.path().join("data/keyrings")).unwrap();
    }

    /// Makes the service hang, or go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        process::signal(self.keyring.as_ref().unwrap().id(), signal);
    }

    /// The value that another program finds under this account.
    pub fn lookup(&self, account: &str) -> Option<String> {
        let mut command = Command::new("secret-tool");
        command.args(["lookup", "service", "molecule-desktop", "username", account]);
        self.inside(&mut command);
        let found = command.output().unwrap();
        found.status.success().then(|| String::from_utf8(found.stdout).unwrap())
    }

    /// A server that lives in this session.
    pub fn server(&self) -> Builder {
        let mut builder = TestServer::builder().without("MOLECULE_KEYCHAIN");
        for (name, value) in self.variables() {
            builder = builder.env(name, value);
        }
        builder
    }

    fn variables(&self) -> [(&'static str, PathBuf); 4] {
        let at = |name: &str| self.folder.path().join(name);
        [
            ("DBUS_SESSION_BUS_ADDRESS", self.address.clone().into()),
            ("XDG_RUNTIME_DIR", at("run")),
            ("XDG_DATA_HOME", at("data")),
            ("XDG_CONFIG_HOME", at("config")),
        ]
    }

    fn inside(&self, command: &mut Command) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.folder.path().join("home")).envs(self.variables());
    }

    fn send(&self, to: &str, call: &[&str]) -> String {
        let mut command = Command::new("dbus-send");
        command.args(["--session", "--print-reply", &format!("--dest={to}")]).args(call);
        self.inside(&mut command);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn wait_for_service(&self, there: bool) {
        let question = ["/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
        let began = Instant::now();
        while !self.send("org.freedesktop.DBus", &question).contains(&format!("boolean {there}")) {
            assert!(began.elapsed() < PATIENCE, "the Secret Service's name stayed {}", !there);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for process in self.keyring.iter_mut().chain([&mut self.bus]) {
            process::signal(process.id(), Signal::CONT);
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::new(&folder).join(tool).is_file())
}
