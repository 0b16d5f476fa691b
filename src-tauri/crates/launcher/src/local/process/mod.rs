//! Operating system processes: who is who, and how they are ended.
//!
//! One agent is one process group whose number is the agent's process number. A process is known
//! again after a crash of the server by that number *and* its start time *and* a mark of this
//! installation; where any of these cannot be had, it is left alone.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(all(unix, not(target_os = "linux")), all(unix, test)))]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "compiled on Linux only to be tested"))]
mod ps;
#[cfg(unix)]
mod signals;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(all(unix, not(target_os = "linux")))]
use ps as system;
#[cfg(not(unix))]
mod unknown;
#[cfg(not(unix))]
use unknown as system;

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long SIGKILL may take to be obeyed.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// How often a process that is no child of ours is looked at while it ends.
const GLANCE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Asks: SIGTERM.
    Terminate,
    /// Does not ask: SIGKILL.
    Kill,
}

/// What makes a process one of ours, beside its number and start time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks<'a> {
    /// Value of `MOLECULE_INSTALLATION` in its environment (read on Linux).
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "not readable here"))]
    pub(super) installation: &'a str,
    /// Program that it runs (compared where the environment cannot be read).
    #[cfg_attr(any(not(unix), target_os = "linux"), allow(dead_code, reason = "the environment says more"))]
    pub(super) program: &'a Path,
}

/// What is left of a recorded agent.
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing can be found out there"))]
#[derive(Debug)]
enum Found<Member> {
    /// Nothing.
    Gone,
    /// A live process has its number but is not provably ours.
    Foreign,
    /// These processes are ours.
    Ours(Vec<Member>),
}

/// How a leftover was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftover {
    /// There was none.
    Gone,
    /// Not provably ours: not touched.
    Foreign,
    /// It has ended.
    Ended,
    /// It is still there after SIGKILL.
    Survived,
}

/// Start time of a process in the system's own unit: clock ticks since boot on Linux, the digits
/// of `yyyymmddhhmmss` (UTC) on other Unix systems, `None` elsewhere or when there is no such
/// process. Only good for comparing.
pub(super) async fn start_ticks(pid: u32) -> Option<u64> {
    system::start_ticks(pid).await
}

/// Whether a child of ours has ended, reaped or not. `false` when the system does not say.
pub(super) fn has_exited(pid: u32) -> bool {
    system::has_exited(pid)
}

/// Signals every process of the group `pid`. Only for a group whose leader is a child of ours that
/// is not reaped yet, or was reaped in this very moment: later the number may be someone else's.
pub(super) fn signal_group(pid: u32, signal: Signal) {
    #[cfg(unix)]
    signals::send_to_group(pid, signal);
    #[cfg(not(unix))]
    let _ = (pid, signal);
}

/// Ends what is left of a recorded agent: SIGTERM, `grace`, SIGKILL.
pub(super) async fn end_leftover(pid: u32, start_ticks: Option<u64>, marks: Marks<'_>, grace: Duration) -> Leftover {
    let Some(start_ticks) = start_ticks else {
        return Leftover::Foreign;
    };
    let mut members = match system::find(pid, start_ticks, marks).await {
        Found::Gone => return Leftover::Gone,
        Found::Foreign => return Leftover::Foreign,
        Found::Ours(members) => members,
    };
    signal_and_wait(&mut members, Signal::Terminate, grace).await;
    // Those that were forked meanwhile.
    if let Found::Ours(late) = system::find(pid, start_ticks, marks).await {
        members.extend(late);
    }
    if members.is_empty() || signal_and_wait(&mut members, Signal::Kill, KILL_PATIENCE).await {
        Leftover::Ended
    } else {
        Leftover::Survived
    }
}

/// Whether all of them are gone within `patience`; those that are not stay in `members`.
async fn signal_and_wait(members: &mut Vec<system::Member>, signal: Signal, patience: Duration) -> bool {
    for member in members.iter() {
        member.signal(signal);
    }
    let deadline = Instant::now() + patience;
    loop {
        let mut left = Vec::new();
        for member in members.drain(..) {
            if !member.is_gone().await {
                left.push(member);
            }
        }
        *members = left;
        if members.is_empty() || Instant::now() >= deadline {
            return members.is_empty();
        }
        sleep(GLANCE).await;
    }
}
