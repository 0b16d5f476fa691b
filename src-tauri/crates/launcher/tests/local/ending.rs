//! Ends: asked for and not, of one agent and of everything it started.

use std::time::Duration;

use molecule_launcher::{LaunchError, Launcher, Unavailable};
use molecule_model::WorkspaceId;
use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use crate::bed::{Bed, SOON, STUBBORN, eventually, signal};

/// Starts two more processes of its own, one of them deaf to SIGTERM.
const FAMILY: &str = r#"
sleep 1000 &
(trap '' TERM; while :; do sleep 1000; done) &
echo '{"listening":"http://127.0.0.1:41234"}'
while read -r line; do :; done
"#;

#[tokio::test]
async fn a_stop_ends_the_whole_family_and_is_an_expected_exit() {
    let mut bed = Bed::new(FAMILY);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    eventually("the family runs", || bed.processes().len() >= 4).await;

    bed.launcher.stop(id).await.unwrap();

    assert!(!bed.launcher.is_running(id).await.unwrap());
    assert!(bed.launcher.running().await.is_empty());
    eventually("the family is gone", || bed.processes().is_empty()).await;
    assert!(!bed.folder(id).join("run.json").exists());
    let exit = bed.exit().await;
    assert_eq!((exit.workspace_id, exit.expected, exit.signal), (id, true, Some(15)));
    // S224: gone already is fine.
    bed.launcher.stop(id).await.unwrap();
    assert!(bed.exits.is_empty());
}

#[tokio::test]
async fn a_stubborn_agent_is_killed_after_the_grace() {
    let mut bed = Bed::with(STUBBORN, |options| options.stop_grace = Duration::from_millis(100));
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    let began = Instant::now();
    bed.launcher.stop(id).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(100));
    let exit = bed.exit().await;
    assert_eq!((exit.expected, exit.signal), (true, Some(9)));
    eventually("it is gone", || bed.processes().is_empty()).await;
}

/// `S033`, `S123`: a crash is told at once, and by then a new start may begin.
#[tokio::test]
async fn a_killed_agent_is_an_unexpected_exit_at_once() {
    let mut bed = Bed::new(FAMILY);
    let id = WorkspaceId::random();
    let pid = bed.launcher.start(bed.launch(id)).await.unwrap().pid.unwrap();

    let killed = Instant::now();
    signal(pid, Signal::KILL);
    let exit = bed.exit().await;

    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    assert_eq!((exit.workspace_id, exit.expected), (id, false));
    assert_eq!((exit.code, exit.signal), (None, Some(9)));
    assert!(!bed.launcher.is_running(id).await.unwrap());
    assert!(!bed.folder(id).join("run.json").exists());
    eventually("its family is gone", || bed.processes().is_empty()).await;

    bed.launcher.start(bed.launch(id)).await.unwrap();
    assert!(bed.launcher.is_running(id).await.unwrap());
    bed.launcher.shutdown().await;
}

#[tokio::test]
async fn an_agent_that_leaves_by_itself_tells_its_code_and_its_last_words() {
    let script = r#"
        echo '{"listening":"http://127.0.0.1:41234"}'
        sleep 0.05
        head -c 60000 /dev/zero | tr '\0' x >&2
        echo 'out of memory' >&2
        exit 7
    "#;
    let mut bed = Bed::new(script);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    let exit = bed.exit().await;
    assert_eq!((exit.code, exit.signal, exit.expected), (Some(7), None, false));
    assert!(exit.ran_for >= Duration::from_millis(50), "{:?}", exit.ran_for);
    // All of the console is there when the exit is told; read without a pause in which more of it
    // could arrive.
    let console = std::fs::read_to_string(bed.folder(id).join("agent.log")).unwrap();
    assert_eq!(console.len(), 60000 + "out of memory\n".len());
    assert!(console.ends_with("xout of memory\n"));
}

/// The agent's stdin ends with the server, however the server ends.
#[tokio::test]
async fn dropping_the_launcher_hangs_up() {
    let said = r#"
        echo '{"listening":"http://127.0.0.1:41234"}'
        while read -r line; do :; done
        echo 'stdin ended' >&2
    "#;
    let mut bed = Bed::new(said);
    let unused = bed.second_launcher("");
    let launcher = std::mem::replace(&mut bed.launcher, unused);
    let id = WorkspaceId::random();
    launcher.start(bed.launch(id)).await.unwrap();

    drop(launcher);

    let exit = bed.exit().await;
    assert_eq!((exit.code, exit.signal, exit.expected), (Some(0), None, true));
    let log = std::fs::read_to_string(bed.folder(id).join("agent.log")).unwrap();
    assert_eq!(log, "stdin ended\n");
    bed.assert_no_processes();
    assert!(!bed.folder(id).join("run.json").exists());
}

/// A runtime that goes away takes the supervisors with it; no process may outlive them.
#[test]
fn the_end_of_the_runtime_ends_the_agents() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bed = runtime.block_on(async {
        let bed = Bed::new(STUBBORN);
        bed.launcher.start(bed.launch(WorkspaceId::random())).await.unwrap();
        bed
    });
    drop(runtime);
    let watcher = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    watcher.block_on(eventually("they are gone", || bed.processes().is_empty()));
}

#[tokio::test]
async fn shutdown_ends_all_in_parallel_and_starts_no_more() {
    let grace = Duration::from_millis(300);
    let mut bed = Bed::with(STUBBORN, |options| options.stop_grace = grace);
    for _ in 0..8 {
        bed.launcher.start(bed.launch(WorkspaceId::random())).await.unwrap();
    }
    let began = Instant::now();
    bed.launcher.shutdown().await;
    assert!(began.elapsed() < grace * 8, "one after the other: {:?}", began.elapsed());
    assert!(bed.launcher.running().await.is_empty());
    for _ in 0..8 {
        assert!(bed.exit().await.expected);
    }
    eventually("they are gone", || bed.processes().is_empty()).await;

    assert_eq!(bed.launcher.available().await, Err(Unavailable::ShuttingDown));
    let error = bed.launcher.start(bed.launch(WorkspaceId::random())).await.unwrap_err();
    assert!(matches!(error, LaunchError::Unavailable(Unavailable::ShuttingDown)), "{error}");
}

/// A start that still waits for its agent does not hold up the shutdown.
#[tokio::test]
async fn shutdown_gives_up_starts_in_progress() {
    let bed = Bed::with("sleep 1000", |options| options.listen_deadline = SOON * 3);
    let id = WorkspaceId::random();
    let shutdown = async {
        eventually("it has begun", || !bed.processes().is_empty()).await;
        bed.launcher.shutdown().await;
    };
    let both = async { tokio::join!(bed.launcher.start(bed.launch(id)), shutdown) };
    let (started, ()) = timeout(SOON, both).await.unwrap();
    let error = started.unwrap_err();
    assert!(matches!(error, LaunchError::Unavailable(Unavailable::ShuttingDown)), "{error}");
    eventually("it is gone", || bed.processes().is_empty()).await;
    bed.assert_nothing_left(id);
}
