//! Sweeps: a crashed server's leftovers are ended, everything else is left alone.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use molecule_launcher::{Launcher, LocalOptions, SweepReport};
use molecule_model::WorkspaceId;
use serde_json::json;

use crate::bed::{Bed, STUBBORN, WELL_BEHAVED, eventually};

/// A process that the launcher did not start. Killed on drop.
struct Bystander(Child);

impl Bystander {
    fn new(installation: Option<&str>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").env_clear().process_group(0);
        command.envs(installation.map(|id| ("MOLECULE_INSTALLATION", id)));
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
}

fn record(bed: &Bed, id: WorkspaceId, pid: u32, start_ticks: u64, installation: &str) {
    fs::create_dir_all(bed.folder(id)).unwrap();
    let record = json!({
        "pid": pid,
        "start_ticks": start_ticks,
        "url": "http://127.0.0.1:1",
        "started_at": "2026-05-02T09:14:03.120417Z",
        "installation": installation,
    });
    fs::write(bed.folder(id).join("run.json"), record.to_string()).unwrap();
}

/// The first launcher stands for a server that crashed: the second one knows its agents from their
/// records alone.
#[tokio::test]
async fn a_leftover_is_ended_with_its_family_and_its_record() {
    let script = "sleep 1000 & exec sh -c \"$0\"".to_owned();
    let mut bed = Bed::with(&script, |options| {
        *options.args.last_mut().unwrap() = WELL_BEHAVED.to_owned();
    });
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    assert_eq!(bed.processes().len(), 2);

    let report = bed.second_launcher("").sweep().await;

    assert_eq!(report, SweepReport { killed: vec![id], ..SweepReport::default() });
    bed.assert_no_processes();
    assert!(!bed.folder(id).join("run.json").exists());
    let exit = bed.exit().await;
    assert_eq!((exit.expected, exit.signal), (false, Some(15)));
}

#[tokio::test]
async fn a_stubborn_leftover_is_killed() {
    let mut bed = Bed::new(STUBBORN);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    let impatient = |options: &mut LocalOptions| options.stop_grace = Duration::from_millis(50);
    let report = bed.second_launcher_with("", impatient).sweep().await;
    assert_eq!(report.killed, [id]);
    assert_eq!(bed.exit().await.signal, Some(9));
    eventually("the family is gone", || bed.processes().is_empty()).await;
}

#[tokio::test]
async fn what_a_leftover_starts_on_its_way_out_is_ended() {
    let script = r#"
        trap 'sleep 1000 & exit 0' TERM
        echo '{"listening":"http://127.0.0.1:41234"}'
        while read -r line; do :; done
    "#;
    // The launcher that started it would end its family too; a bystander has nobody.
    let bed = Bed::new("");
    let id = WorkspaceId::random();
    let mut agent = Command::new("/bin/sh");
    agent.args(["-c", script]).env_clear().process_group(0);
    agent.env("MOLECULE_INSTALLATION", &bed.installation);
    agent.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut agent = Bystander(agent.spawn().unwrap());
    let mut stdout = BufReader::new(agent.0.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    record(&bed, id, agent.pid(), start_ticks(agent.pid()), &bed.installation);

    let report = bed.launcher.sweep().await;

    assert_eq!(report.killed, [id]);
    assert!(!agent.is_alive());
    bed.assert_no_processes();
}

/// A process of ours whose agent is gone: in its group and marked.
#[tokio::test]
async fn what_an_ended_agent_left_in_its_group_is_ended() {
    let bed = Bed::new("");
    let id = WorkspaceId::random();
    let mut leader = Bystander::new(Some(&bed.installation));
    let mut orphan = Command::new("sleep");
    orphan.arg("1000").env_clear().env("MOLECULE_INSTALLATION", &bed.installation);
    orphan.process_group(leader.pid().try_into().unwrap());
    let mut orphan = Bystander(orphan.spawn().unwrap());
    let mut stranger = Command::new("sleep");
    stranger.arg("1000").env_clear().process_group(leader.pid().try_into().unwrap());
    let mut stranger = Bystander(stranger.spawn().unwrap());
    record(&bed, id, leader.pid(), start_ticks(leader.pid()), &bed.installation);
    leader.0.kill().unwrap();
    leader.0.wait().unwrap();

    let report = bed.launcher.sweep().await;

    assert_eq!(report.killed, [id]);
    assert!(!orphan.is_alive());
    assert!(stranger.is_alive());
}

/// `R-51`: never kill what may not be ours.
#[tokio::test]
async fn what_is_not_provably_ours_is_spared() {
    let bed = Bed::new("");
    let mut unmarked = Bystander::new(None);
    let mut neighbour = Bystander::new(Some("another-installation"));
    let mut later = Bystander::new(Some(&bed.installation));
    let mut from_elsewhere = Bystander::new(Some(&bed.installation));
    let ids: Vec<_> = (0..5).map(|_| WorkspaceId::random()).collect();
    // The number was given to someone else's process.
    record(&bed, ids[0], unmarked.pid(), start_ticks(unmarked.pid()), &bed.installation);
    record(&bed, ids[1], neighbour.pid(), start_ticks(neighbour.pid()), &bed.installation);
    // The number was given to a later process, even one of ours.
    record(&bed, ids[2], later.pid(), start_ticks(later.pid()) - 1, &bed.installation);
    // The record came with a copied data directory.
    let elsewhere = start_ticks(from_elsewhere.pid());
    record(&bed, ids[3], from_elsewhere.pid(), elsewhere, "another-installation");
    // The record is no record.
    record(&bed, ids[4], 1, 0, &bed.installation);
    fs::write(bed.folder(ids[4]).join("run.json"), "{").unwrap();

    let mut report = bed.launcher.sweep().await;

    report.spared.sort();
    let mut expected = ids.clone();
    expected.sort();
    assert_eq!(report, SweepReport { spared: expected, ..SweepReport::default() });
    for process in [&mut unmarked, &mut neighbour, &mut later, &mut from_elsewhere] {
        assert!(process.is_alive());
    }
    for id in ids {
        assert!(!bed.folder(id).join("run.json").exists());
    }
}

#[tokio::test]
async fn a_record_without_a_process_is_removed() {
    let bed = Bed::new("");
    let id = WorkspaceId::random();
    let mut gone = Bystander::new(Some(&bed.installation));
    record(&bed, id, gone.pid(), start_ticks(gone.pid()), &bed.installation);
    gone.0.kill().unwrap();
    gone.0.wait().unwrap();
    fs::create_dir_all(bed.home.path().join("not-a-workspace")).unwrap();

    let report = bed.launcher.sweep().await;

    assert_eq!(report, SweepReport { gone: vec![id], ..SweepReport::default() });
    assert!(!bed.folder(id).join("run.json").exists());
    assert_eq!(bed.launcher.sweep().await, SweepReport::default());
}

#[tokio::test]
async fn running_agents_of_this_server_are_not_leftovers() {
    let bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();
    bed.launcher.start(bed.launch(id)).await.unwrap();
    assert_eq!(bed.launcher.sweep().await, SweepReport::default());
    assert!(bed.launcher.is_running(id).await.unwrap());
    assert!(bed.folder(id).join("run.json").exists());
    bed.launcher.shutdown().await;
}

/// Without a sweep, too: no two agents of one workspace.
#[tokio::test]
async fn a_start_ends_a_leftover_of_the_same_workspace() {
    let mut bed = Bed::new(WELL_BEHAVED);
    let id = WorkspaceId::random();
    let old = bed.launcher.start(bed.launch(id)).await.unwrap().pid.unwrap();
    let next = bed.second_launcher(WELL_BEHAVED);
    let new = next.start(bed.launch(id)).await.unwrap().pid.unwrap();
    assert_ne!(old, new);
    assert_eq!(bed.exit().await.signal, Some(15));
    assert_eq!(bed.processes(), [new]);
    next.shutdown().await;
}
