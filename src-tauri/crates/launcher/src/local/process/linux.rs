//! Processes as `/proc` shows them; signals go through pidfds, so that a number that was given to
//! someone else in the meantime is never hit.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::signals::{to_pid, to_system};
use super::{Found, Marks, Signal};
use crate::local::environment::INSTALLATION;

/// The fields of `/proc/<pid>/stat` that matter here.
struct Stat {
    state: u8,
    group: u32,
    start_ticks: u64,
}

impl Stat {
    /// `None` when there is no such process, a zombie included: it holds a number and nothing else.
    fn of_living(pid: u32) -> Option<Self> {
        let stat = Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (!matches!(stat.state, b'Z' | b'X')).then_some(stat)
    }

    /// Fields 3, 5 and 22 of proc_pid_stat(5). Field 2 is the program's name in parentheses and may
    /// hold spaces and parentheses of its own, so counting begins behind the last one.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            state: *fields.first()?.as_bytes().first()?,
            group: fields.get(2)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

pub(super) async fn start_ticks(pid: u32) -> Option<u64> {
    Some(Stat::of_living(pid)?.start_ticks)
}

pub(super) fn has_exited(pid: u32) -> bool {
    Stat::of_living(pid).is_none()
}

/// One process of ours, held by a descriptor.
#[derive(Debug)]
pub(super) struct Member {
    pid: u32,
    start_ticks: u64,
    descriptor: OwnedFd,
}

impl Member {
    /// Opens first and looks second: whatever `accept` sees, a signal reaches that process or none.
    fn open(pid: u32, accept: impl FnOnce(&Stat) -> bool) -> Option<Self> {
        let descriptor = pidfd_open(to_pid(pid)?, PidfdFlags::empty()).ok()?;
        let stat = Stat::of_living(pid)?;
        accept(&stat).then_some(Self { pid, start_ticks: stat.start_ticks, descriptor })
    }

    pub(super) fn signal(&self, signal: Signal) {
        // An error means that it is gone.
        let _ = pidfd_send_signal(&self.descriptor, to_system(signal));
    }

    pub(super) async fn is_gone(&self) -> bool {
        Stat::of_living(self.pid).is_none_or(|stat| stat.start_ticks != self.start_ticks)
    }
}

pub(super) async fn find(pid: u32, start_ticks: u64, marks: Marks<'_>) -> Found<Member> {
    let mark = format!("{INSTALLATION}={}", marks.installation);
    tokio::task::spawn_blocking(move || scan(pid, start_ticks, &mark)).await.unwrap_or(Found::Foreign)
}

/// The agent and the rest of its group. The kernel gives the number of a group to no new process
/// while the group has members; so a group whose leader is ours is ours as a whole, and in a group
/// whose leader is gone the marked members are.
fn scan(pid: u32, start_ticks: u64, mark: &str) -> Found<Member> {
    let leader = Member::open(pid, |stat| stat.start_ticks == start_ticks && carries_mark(pid, mark));
    if leader.is_none() && Stat::of_living(pid).is_some() {
        return Found::Foreign;
    }
    let leader_is_ours = leader.is_some();
    let mut members: Vec<Member> = leader.into_iter().collect();
    members.extend(all().filter(|other| *other != pid && *other != std::process::id()).filter_map(|other| {
        let in_group = Stat::of_living(other).is_some_and(|stat| stat.group == pid);
        in_group.then_some(())?;
        Member::open(other, |stat| stat.group == pid && (leader_is_ours || carries_mark(other, mark)))
    }));
    if members.is_empty() { Found::Gone } else { Found::Ours(members) }
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Unreadable (another user's, say) is not marked.
fn carries_mark(pid: u32, mark: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_behind_a_name_made_to_confuse() {
        let line = "42 (a) R 1) (b) S 7 40 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.group, stat.start_ticks), (b'S', 40, 4711));
        assert!(Stat::parse("42 (short) S 7").is_none());
    }

    #[tokio::test]
    async fn knows_itself() {
        let me = std::process::id();
        assert!(!has_exited(me));
        assert!(start_ticks(me).await.is_some());
        assert_eq!(start_ticks(u32::MAX).await, None);
    }
}
