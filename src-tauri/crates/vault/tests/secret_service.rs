//! Against a real Secret Service: gnome-keyring in a D-Bus session of its own, with a home of its own.
//!
//! The test binary starts `dbus-run-session` and, inside it, itself again for each act; the acts share
//! one home and one data directory, like successive starts of the app. Where a tool is missing the test
//! says which one and passes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use molecule_vault::{LostReason, Marker, Scope, Secret, StoreKind, Vault, VaultError, VaultOptions, VaultState};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process_group, set_child_subreaper, waitid, waitpgid,
};

const VALUE: &str = "sk-a-value-for-the-real-keyring";
/// A whole act, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bus that starts nothing by itself, so that there is a Secret Service exactly when we start one.
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

// ---- outside: the sessions -------------------------------------------------------------------

#[test]
fn a_real_secret_service_keeps_the_secrets() {
    for tool in ["dbus-run-session", "dbus-send", "gnome-keyring-daemon"] {
        if !on_path(tool) {
            println!("skipped a_real_secret_service_keeps_the_secrets: no {tool} on this machine");
            return;
        }
    }
    set_child_subreaper(Some(getpid())).unwrap();
    let home = tempfile::TempDir::new().unwrap();
    let stage = Stage::new(home.path());
    stage.play("stores_reads_and_notices_the_lock", Service::Unlocked("right"));
    stage.play("is_locked_at_start", Service::Unlocked("wrong"));
    stage.play("comes_back_with_everything", Service::Unlocked("right"));
    stage.play("has_no_service", Service::None);
    stage.play("has_no_service", Service::NoBus);
    std::fs::remove_dir_all(home.path().join("data/keyrings")).unwrap();
    stage.play("was_replaced", Service::Unlocked("right"));
    stage.play("meets_the_service_later_and_its_restart", Service::None);
}

#[derive(Clone, Copy)]
enum Service {
    Unlocked(&'static str),
    None,
    NoBus,
}

struct Stage {
    home: PathBuf,
}

impl Stage {
    fn new(home: &Path) -> Self {
        for dir in ["run", "data", "config", "app"] {
            std::fs::create_dir(home.join(dir)).unwrap();
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.join("run"), private).unwrap();
        let bus = BUS.replace("RUN", home.join("run").to_str().unwrap());
        std::fs::write(home.join("bus.conf"), bus).unwrap();
        Self { home: home.into() }
    }

    /// Runs one act in a session of its own and leaves nothing of that session running.
    fn play(&self, act: &str, service: Service) {
        let me = std::env::current_exe().unwrap();
        let mut command = match service {
            Service::NoBus => Command::new(&me),
            Service::None | Service::Unlocked(_) => {
                let mut session = Command::new("dbus-run-session");
                session.arg("--config-file").arg(self.home.join("bus.conf")).arg("--").arg(&me);
                session
            }
        };
        let output = File::create(self.home.join("output")).unwrap();
        command
            .args(["--ignored", "--exact", "act", "--nocapture"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", self.home.join("run"))
            .env("XDG_DATA_HOME", self.home.join("data"))
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("RUST_BACKTRACE", "1")
            .env("ACT", act)
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .process_group(0);
        match service {
            Service::Unlocked(password) => command.env("PASSWORD", password),
            Service::NoBus => command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"),
            Service::None => &mut command,
        };
        let in_time = Session(command.spawn().unwrap()).ends_within(PATIENCE);
        let output = std::fs::read_to_string(self.home.join("output")).unwrap();
        assert!(in_time, "{act} took too long:\n{output}");
        assert!(output.contains("1 passed"), "{act}:\n{output}");
    }
}

/// A process group; whatever happens, none of it survives.
struct Session(Child);

impl Session {
    fn ends_within(&self, limit: Duration) -> bool {
        let pid = self.pid();
        let (ended, end) = mpsc::channel();
        // Without reaping it: until then nobody else can get its group's number.
        std::thread::spawn(move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let _ = ended.send(());
        });
        end.recv_timeout(limit).is_ok()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().cast_signed()).unwrap()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        // The session's own children come to us when their parent dies; an error means none is left.
        while waitpgid(self.pid(), WaitOptions::empty()).is_ok() {}
    }
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

// ---- inside: the acts ------------------------------------------------------------------------

#[test]
#[ignore = "an act of a_real_secret_service_keeps_the_secrets, which starts it in a session of its own"]
fn act() {
    let Ok(act) = std::env::var("ACT") else {
        println!("skipped act: it is only played inside a session");
        return;
    };
    let keyring = std::env::var("PASSWORD").ok().map(|password| Keyring::start(&password));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match act.as_str() {
            "stores_reads_and_notices_the_lock" => stores_reads_and_notices_the_lock().await,
            "is_locked_at_start" => is_locked_at_start().await,
            "comes_back_with_everything" => comes_back_with_everything().await,
            "has_no_service" => has_no_service().await,
            "was_replaced" => was_replaced().await,
            "meets_the_service_later_and_its_restart" => meets_the_service_later_and_its_restart().await,
            other => panic!("no act {other}"),
        }
    });
    drop(keyring);
}

async fn stores_reads_and_notices_the_lock() {
    let vault = open("app").await;
    assert_eq!(state(&vault), (StoreKind::Keychain, VaultState::Ready));
    let marker = put(&vault, "KEY", VALUE).await;
    assert_eq!(marker.store, StoreKind::Keychain);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), VALUE);
    if on_path("secret-tool") {
        assert_eq!(lookup("global/KEY"), VALUE, "another program finds it");
    }
    let long = "ключ".repeat(2 * 1024);
    for value in ["", "x", "ключ 🔑\n", &long] {
        let marker = put(&vault, "a/b c", value).await;
        assert_eq!(marker.store, StoreKind::Keychain, "{} bytes", value.len());
        assert_eq!(get(&vault, "a/b c", &marker).await.unwrap(), value);
    }
    let gone = put(&vault, "a/b c", "x").await;
    vault.delete(&Scope::Global, "a/b c", gone.store).await.unwrap();
    assert_eq!(get(&vault, "a/b c", &gone).await, lost(LostReason::Missing));
    vault.machine_put("inbound/1", Secret::from(VALUE));
    vault.flush().await.unwrap();
    remember("KEY", &marker);
    for file in std::fs::read_dir(home().join("app")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(VALUE));
    }

    let login = "array:objpath:/org/freedesktop/secrets/collection/login";
    let lock = ["/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", login];
    assert!(send("org.freedesktop.secrets", &lock).contains("array"));
    assert_eq!(get(&vault, "KEY", &marker).await, lost(LostReason::Locked));
    assert_eq!(state(&vault), (StoreKind::Sealed, VaultState::Locked));
    assert_eq!(vault.machine_get("inbound/1"), Some(Secret::from(VALUE)));
    vault.close().await.unwrap();
}

async fn is_locked_at_start() {
    let began = Instant::now();
    let vault = open("app").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(state(&vault), (StoreKind::Sealed, VaultState::Locked));
    assert_eq!(get(&vault, "KEY", &recall("KEY")).await, lost(LostReason::Locked));
    assert_eq!(vault.machine_get("inbound/1"), None);
    let marker = put(&vault, "NEW", "sk-2").await;
    assert_eq!(marker.store, StoreKind::Sealed);
    remember("NEW", &marker);
    assert_eq!(vault.retry().await.state, VaultState::Locked);
    vault.close().await.unwrap();
}

async fn comes_back_with_everything() {
    let vault = open("app").await;
    assert_eq!(state(&vault), (StoreKind::Keychain, VaultState::Ready));
    assert_eq!(get(&vault, "KEY", &recall("KEY")).await.unwrap(), VALUE);
    assert_eq!(vault.machine_get("inbound/1"), Some(Secret::from(VALUE)));
    vault.settle().await;
    assert_eq!(vault.where_is(&Scope::Global, "NEW"), StoreKind::Keychain);
    assert_eq!(get(&vault, "NEW", &recall("NEW")).await.unwrap(), "sk-2");
    vault.close().await.unwrap();
}

/// On a copy, so that the later acts find the data as it was.
async fn has_no_service() {
    let copy = tempfile::TempDir::new_in(home()).unwrap();
    std::fs::copy(home().join("app/secrets.sealed"), copy.path().join("secrets.sealed")).unwrap();
    let began = Instant::now();
    let vault = open(copy.path().to_str().unwrap()).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(state(&vault), (StoreKind::Sealed, VaultState::Unavailable));
    assert_eq!(get(&vault, "KEY", &recall("KEY")).await, lost(LostReason::Unavailable));
    vault.close().await.unwrap();

    let fresh = tempfile::TempDir::new_in(home()).unwrap();
    let vault = open(fresh.path().to_str().unwrap()).await;
    assert_eq!(state(&vault), (StoreKind::Sealed, VaultState::Ready));
    let marker = put(&vault, "KEY", VALUE).await;
    assert_eq!(marker.store, StoreKind::Sealed);
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), VALUE);
    vault.close().await.unwrap();
}

async fn was_replaced() {
    let vault = open("app").await;
    assert_eq!(state(&vault), (StoreKind::Keychain, VaultState::Replaced));
    assert_eq!(get(&vault, "KEY", &recall("KEY")).await, lost(LostReason::Missing));
    let marker = put(&vault, "KEY", "sk-3").await;
    assert_eq!(marker.store, StoreKind::Keychain);
    vault.close().await.unwrap();
    let vault = open("app").await;
    assert_eq!(state(&vault), (StoreKind::Keychain, VaultState::Ready));
    assert_eq!(get(&vault, "KEY", &marker).await.unwrap(), "sk-3");
    vault.close().await.unwrap();
}

async fn meets_the_service_later_and_its_restart() {
    let fresh = tempfile::TempDir::new_in(home()).unwrap();
    let vault = open(fresh.path().to_str().unwrap()).await;
    assert_eq!(state(&vault), (StoreKind::Sealed, VaultState::Ready));
    let marker = put(&vault, "LATER", VALUE).await;
    let keyring = Keyring::start("right");
    vault.retry().await;
    assert_eq!(state(&vault), (StoreKind::Keychain, VaultState::Ready));
    assert_eq!(vault.where_is(&Scope::Global, "LATER"), StoreKind::Keychain);
    assert_eq!(get(&vault, "LATER", &marker).await.unwrap(), VALUE);
    drop(keyring);
    let _again = Keyring::start("right");
    assert_eq!(get(&vault, "LATER", &marker).await.unwrap(), VALUE, "over a new connection");
    vault.close().await.unwrap();
}

// ---- inside: tools ---------------------------------------------------------------------------

/// gnome-keyring, unlocked if `password` is the one of its first start.
struct Keyring(Child);

impl Keyring {
    fn start(password: &str) -> Self {
        use std::io::Write;
        let mut daemon = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        daemon.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        let keyring = Self(daemon);
        wait_for_name(true);
        keyring
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        wait_for_name(false);
    }
}

/// Waits until the Secret Service's name is owned, or owned no more.
fn wait_for_name(owned: bool) {
    let question = ["/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
    let began = Instant::now();
    while !send("org.freedesktop.DBus", &question).contains(&format!("boolean {owned}")) {
        assert!(began.elapsed() < PATIENCE / 2, "the Secret Service's name stayed {}", !owned);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(to: &str, call: &[&str]) -> String {
    let to = format!("--dest={to}");
    let out = Command::new("dbus-send").args(["--session", "--print-reply", &to]).args(call).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn lookup(account: &str) -> String {
    let found = Command::new("secret-tool")
        .args(["lookup", "service", "molecule-desktop", "username", account])
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap()
}

fn home() -> PathBuf {
    std::env::var_os("HOME").unwrap().into()
}

fn remember(name: &str, marker: &Marker) {
    std::fs::write(home().join(name), serde_json::to_vec(marker).unwrap()).unwrap();
}

fn recall(name: &str) -> Marker {
    serde_json::from_slice(&std::fs::read(home().join(name)).unwrap()).unwrap()
}

async fn open(dir: &str) -> Vault {
    Vault::open(VaultOptions::new(home().join(dir), "here")).await.unwrap()
}

fn state(vault: &Vault) -> (StoreKind, VaultState) {
    (vault.status().store, vault.status().state)
}

async fn put(vault: &Vault, key: &str, value: &str) -> Marker {
    vault.put(&Scope::Global, key, &Secret::from(value)).await.unwrap()
}

async fn get(vault: &Vault, key: &str, marker: &Marker) -> Result<String, VaultError> {
    Ok(vault.get(&Scope::Global, key, marker).await?.expose().to_owned())
}

fn lost(reason: LostReason) -> Result<String, VaultError> {
    Err(VaultError::Lost(reason))
}
