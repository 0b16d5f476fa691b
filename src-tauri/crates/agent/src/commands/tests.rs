use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use confinement::Walls;

struct Ground {
    base: TempDir,
    folder: Folder,
}

impl Ground {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("scratch")).unwrap();
        fs::create_dir_all(base.path().join("data/workspaces/w/workspace/sub")).unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        fs::write(base.path().join("data/admin.token"), "the token").unwrap();
        let folder = Folder::open(&base.path().join("data/workspaces/w/workspace"), None).unwrap();
        Self { base, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().canonicalize().unwrap().join(name)
    }

    fn walls(&self) -> Walls {
        // The ground itself lies in the scratch space of the system.
        let scratch = vec![self.path("scratch")];
        Walls { writable: vec![self.folder.root().to_owned()], scratch, closed: Some(self.path("data")) }
    }

    async fn run(&self, command: &str) -> Finished {
        run(&self.folder, Path::new(""), command, Duration::from_secs(20), self.walls()).await.unwrap()
    }
}

/// Waits until no process carries `mark` in its command line.
async fn gone(mark: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let alive = fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line).contains(mark)
                    && entry.file_name() != std::process::id().to_string().as_str()
            })
        });
        if !alive {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn output_and_exit_code_come_back_in_order() {
    let ground = Ground::new();
    let done = ground.run("echo one; echo two >&2; echo three; exit 7").await;
    assert_eq!((done.output.as_str(), done.code, done.timed_out), ("one\ntwo\nthree\n", Some(7), false));
}

#[tokio::test]
async fn it_runs_in_the_folder_and_in_its_subfolders() {
    let ground = Ground::new();
    let here = ground.run("pwd").await.output;
    assert_eq!(here.trim(), ground.folder.root().to_str().unwrap());
    let there = run(&ground.folder, Path::new("sub"), "pwd; touch made", Duration::from_secs(20), ground.walls())
        .await
        .unwrap();
    assert!(there.output.trim().ends_with("/sub"), "{there:?}");
    assert!(ground.folder.root().join("sub/made").exists());
}

#[tokio::test]
async fn the_environment_is_four_variables_and_no_input() {
    let ground = Ground::new();
    let names = ground.run("env | cut -d= -f1 | sort; cat; echo end").await.output;
    let allowed = ["PATH", "HOME", "LANG", "TERM", "PWD", "SHLVL", "_", "OLDPWD", "end"];
    assert!(names.lines().all(|name| allowed.contains(&name)), "{names}");
    assert!(names.contains("PATH") && names.ends_with("end\n"), "{names}");
}

#[tokio::test]
async fn a_long_output_keeps_its_beginning_and_its_end() {
    let ground = Ground::new();
    let done = ground.run("echo first; head -c 300000 /dev/zero | tr '\\0' x; echo; echo last").await;
    assert!(done.output.len() < 66 * 1024, "{}", done.output.len());
    assert!(done.output.starts_with("first\n") && done.output.ends_with("last\n"));
    assert!(done.output.contains("bytes left out"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_that_takes_too_long_ends_with_all_that_it_started() {
    let ground = Ground::new();
    let command = "echo begun; sh -c 'exec -a x sleep 987651' & sleep 987651";
    let done = run(&ground.folder, Path::new(""), command, Duration::from_millis(300), ground.walls()).await.unwrap();
    assert!(done.timed_out && done.output.contains("begun"), "{done:?}");
    assert!(gone("987651").await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_command_leaves_in_the_background_ends_with_it() {
    let ground = Ground::new();
    let started = Instant::now();
    let done = ground.run("sleep 987652 & echo quick").await;
    assert_eq!((done.output.as_str(), done.code), ("quick\n", Some(0)));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(gone("987652").await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn dropping_the_future_ends_the_command() {
    let ground = Ground::new();
    let running =
        run(&ground.folder, Path::new(""), "touch begun; sleep 987653", Duration::from_secs(60), ground.walls());
    let mut running = Box::pin(running);
    while !ground.folder.root().join("begun").exists() {
        drop(timeout(Duration::from_millis(5), &mut running).await);
    }
    drop(running);
    assert!(gone("987653").await);
}

/// What only the agent holds is its end of the pipe: closing it is what happens when it is killed.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_watcher_ends_the_group_when_the_agent_is_gone() {
    let ground = Ground::new();
    let mut command = prepare("sleep 987654 & sleep 987654", ground.folder.handle(), ground.folder.root());
    let mut child = command.kill_on_drop(false).spawn().unwrap();
    drop(child.stdin.take());
    let status = timeout(Duration::from_secs(5), child.wait()).await.expect("the group outlived its agent").unwrap();
    assert_eq!(status.code(), None);
    assert!(gone("987654").await);
}

#[cfg(target_os = "linux")]
mod walls {
    use super::*;

    #[tokio::test]
    async fn writing_ends_at_the_folder() {
        let ground = Ground::new();
        let outside = ground.path("outside");
        let done = ground
            .run(&format!(
                "echo a > inside.txt; echo s > {1}/s; echo b > {0}/new; echo c > ../stolen; mv inside.txt {0}/moved; ln -s {0} door; echo d > door/new; true",
                outside.display(),
                ground.path("scratch").display(),
            ))
            .await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(ground.folder.root().join("inside.txt").exists(), "{done:?}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{done:?}");
        assert!(!ground.path("data/workspaces/w/stolen").exists());
        assert!(ground.path("scratch/s").exists());
    }

    #[tokio::test]
    async fn molecules_own_data_cannot_be_read() {
        let ground = Ground::new();
        let done = ground
            .run(&format!(
                "cat {}; ls {}; cat ../../../admin.token",
                ground.path("data/admin.token").display(),
                ground.path("data").display()
            ))
            .await;
        assert!(!done.output.contains("the token") && !done.output.contains("workspaces\n"), "{done:?}");
        assert!(done.code != Some(0));
    }

    #[tokio::test]
    async fn the_rest_of_the_machine_can_be_read() {
        let ground = Ground::new();
        fs::write(ground.path("outside/notes"), "readable").unwrap();
        let done = ground
            .run(&format!(
                "cat {}; ls /usr >/dev/null && echo usr; echo x > /dev/null && echo null",
                ground.path("outside/notes").display()
            ))
            .await;
        assert_eq!(done.output, "readableusr\nnull\n");
    }

    #[tokio::test]
    async fn the_agents_environment_and_life_are_out_of_reach() {
        let ground = Ground::new();
        let done = ground
            .run(&format!("cat /proc/{0}/environ | wc -c; kill -CONT {0} && echo signalled; true", std::process::id()))
            .await;
        assert!(done.output.lines().any(|line| line.trim() == "0"), "{done:?}");
        assert!(!done.output.contains("signalled"), "{done:?}");
    }

    #[tokio::test]
    async fn the_agent_itself_is_not_confined() {
        let ground = Ground::new();
        ground.run("true").await;
        fs::write(ground.path("outside/by-the-agent"), "x").unwrap();
        assert_eq!(fs::read_to_string(ground.path("data/admin.token")).unwrap(), "the token");
    }
}
