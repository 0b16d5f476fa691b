//! A person's machine, as far as the printed snippets see of it: a home folder, and the vendors' programs on `PATH`,
//! replaced by stand-ins that speak the contract.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::programs::{Runner, folder};
use crate::support::{TestServer, eventually, server::output};

/// A second of the stand-ins' time, in seconds: a minute of theirs passes in three.
const SECOND: &str = "0.05";

/// One, gone with its server.
pub struct Laptop {
    home: PathBuf,
    bin: PathBuf,
}

impl Laptop {
    pub fn new(server: &TestServer) -> Self {
        let (home, bin) = (server.beside("person"), server.beside("bin"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&bin).unwrap();
        let laptop = Self { home, bin };
        laptop.install("claude", "claude.py");
        laptop.install("molecule-mcp", "molecule_mcp.py");
        laptop.write_program("pip", "#!/bin/sh\necho \"$@\" >>\"$HOME/pip.log\"\n");
        laptop
    }

    fn install(&self, name: &str, file: &str) {
        let (python, file) = (Runner::PythonV1.program(), folder().join("standins").join(file));
        self.write_program(name, &format!("#!/bin/sh\nexec '{}' '{}' \"$@\"\n", python.display(), file.display()));
    }

    fn write_program(&self, name: &str, text: &str) {
        let path = self.bin.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file in the home folder; empty where there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.join(name)).unwrap_or_default()
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A command with nothing in its environment but a home and a path.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display());
        command.env_clear().env("PATH", path).env("HOME", &self.home).env("LANG", "C.UTF-8");
        command.env("STANDIN_SECOND", SECOND).env("PYTHONPATH", folder().join("standins"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
        command.current_dir(&self.home).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a shell snippet as it is printed, to its end.
    pub fn shell(&self, snippet: &str, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let mut command = self.command("/bin/sh");
        command.arg("-c").arg(snippet).envs(variables.iter().copied());
        output(command.as_std_mut())
    }

    /// Starts a shell snippet that does not end; its whole process group ends with the answer.
    pub fn start_shell(&self, snippet: &str) -> Group {
        let mut command = self.command("/bin/sh");
        command.arg("-c").arg(snippet).process_group(0);
        Group(command.spawn().unwrap())
    }

    /// Starts a Python snippet as it is printed, told by `PORT` where to listen.
    pub fn start_python(&self, snippet: &str, port: u16) -> Group {
        let file = self.home.join(format!("agent-{port}.py"));
        fs::write(&file, snippet).unwrap();
        let mut command = self.command(Runner::PythonV1.program());
        command.arg(file).env("PORT", port.to_string()).stdout(Stdio::null()).process_group(0);
        Group(command.spawn().unwrap())
    }

    /// What the stand-ins noted, oldest first.
    pub fn noted(&self, what: &str) -> Vec<Value> {
        let lines = self.read("standins.log");
        let all = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        all.filter(|note| note["what"] == what).collect()
    }

    /// Waits until something was noted that `wanted` takes.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(format!("{what} of a stand-in"), || async {
            let noted = self.noted(what);
            noted.iter().find(|note| wanted(note)).cloned().ok_or_else(|| self.read("standins.log"))
        })
        .await
    }

    /// Waits for `more` further beats that the platform took.
    pub async fn beats(&self, more: usize) {
        let taken = || self.noted("beat").iter().filter(|beat| beat["status"] == 200).count();
        let before = taken();
        eventually("beats", || async { if taken() >= before + more { Ok(()) } else { Err(taken()) } }).await;
    }
}

/// A child with everything that it started.
pub struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
