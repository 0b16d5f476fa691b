//! Running a command in the person's folder.
//!
//! A command gets its own process group, four variables of the environment, a time limit and, on
//! Linux, walls (see [`confinement`]). Nothing that it started outlives it, nor the agent: a watcher in
//! the same group reads a pipe that only the agent holds, and ends the group when the pipe closes,
//! which happens even where the agent is killed.
#![cfg(unix)]

pub(crate) mod confinement;
mod output;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::files::Folder;
use output::Output;

/// The variables that a command sees, if the agent has them. No secret is among them.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "LANG", "TERM"];

/// Data segment of a command's processes in KiB, where the system allows more: builds need room, a
/// laptop needs the rest.
const MEMORY_KIB: u64 = 4 * 1024 * 1024;

/// What the shell does before it becomes the command: keep the agent's pipe for the watcher, give the
/// command no input and one output.
const WRAPPER: &str = r#"exec 3<&0 </dev/null 2>&1
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
exec 3<&-
ulimit -S -d "$2" 2>/dev/null
exec /bin/sh -c "$1""#;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None`: ended by a signal.
    pub code: Option<i32>,
    pub timed_out: bool,
    /// Both outputs as they came, cut in the middle where they are too long.
    pub output: String,
}

/// The walls of a command in `folder`: it writes there and in the temporary folders, and Molecule's own
/// data is out of sight.
pub(crate) fn walls(folder: &Folder, own_data: Option<PathBuf>) -> confinement::Walls {
    let scratch = confinement::SCRATCH.map(PathBuf::from).into();
    confinement::Walls { writable: vec![folder.root().to_owned()], scratch, closed: own_data }
}

/// Runs `command` with `/bin/sh` in the folder `cwd` of `folder` (relative, canonical). Dropping the
/// future ends the command and what it started.
pub(crate) async fn run(
    folder: &Folder,
    cwd: &Path,
    command: &str,
    limit: Duration,
    walls: confinement::Walls,
) -> std::io::Result<Finished> {
    let place =
        if cwd.as_os_str().is_empty() { folder.handle().try_clone()? } else { folder.handle().open_dir(cwd)? };
    let child = spawn(prepare(command, &place, &folder.root().join(cwd)), walls).await?;
    drop(place);
    let mut group = Group::of(child)?;
    let mut output = Output::default();
    let Some(mut stdout) = group.child.stdout.take() else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
    let ended = timeout(limit, async {
        let mut buffer = [0; 8192];
        let mut open = true;
        loop {
            tokio::select! {
                read = stdout.read(&mut buffer), if open => match read {
                    Ok(0) | Err(_) => open = false,
                    Ok(count) => output.push(&buffer[..count]),
                },
                status = group.child.wait() => return status,
            }
        }
    })
    .await;
    // The command is over or too late: what it left behind ends too, then the pipe runs dry.
    group.kill();
    let mut rest = [0; 8192];
    while let Ok(Ok(count @ 1..)) = timeout(Duration::from_millis(500), stdout.read(&mut rest)).await {
        output.push(&rest[..count]);
    }
    let (code, timed_out) = match ended {
        Ok(status) => (status?.code(), false),
        Err(_) => (None, true),
    };
    Ok(Finished { code, timed_out, output: output.text() })
}

fn prepare(command: &str, place: &Dir, path: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", WRAPPER, "sh", command])
        .arg(MEMORY_KIB.to_string())
        .env_clear()
        .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if std::env::var_os("TERM").is_none() {
        shell.env("TERM", "dumb");
    }
    // By handle where the system can: the folder that was checked, whatever lies at its path now.
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let _ = path;
        shell.current_dir(format!("/proc/self/fd/{}", place.as_raw_fd()));
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = place;
        shell.current_dir(path);
    }
    shell
}

/// Starts the command from a thread of its own, so that the walls stand around that thread and what it
/// starts, and not around the agent.
async fn spawn(mut command: Command, walls: confinement::Walls) -> std::io::Result<Child> {
    let (send, receive) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("command".into()).spawn(move || {
        let _entered = runtime.enter();
        drop(send.send(walls.raise().and_then(|()| command.spawn())));
    })?;
    receive.await.map_err(|_| std::io::Error::other("the starting thread ended"))?
}

/// A command's process group; ended when dropped.
struct Group {
    child: Child,
    id: Pid,
    /// The watcher reads from it. Not left in `child`, where waiting would close it.
    _pipe: Option<ChildStdin>,
}

impl Group {
    fn of(mut child: Child) -> std::io::Result<Self> {
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipe = child.stdin.take();
        Ok(Self { child, id: id.ok_or(std::io::ErrorKind::NotFound)?, _pipe: pipe })
    }

    /// The watcher is in the group until this, so its number cannot be somebody else's yet.
    fn kill(&self) {
        let _ = kill_process_group(self.id, Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
