//! Processes as `ps` shows them, for Unix systems without `/proc`.

use rustix::io::Errno;
use rustix::process::test_kill_process;
use tokio::process::Command;

use super::signals::{send_to_group, to_pid};
use super::{Found, Marks, Signal};

/// One line of `ps -o pgid=,lstart=,command=`.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    group: u32,
    /// Digits of `yyyymmddhhmmss`, UTC.
    start: u64,
    command: String,
}

impl Row {
    async fn of(pid: u32) -> Option<Self> {
        let output = Command::new("ps")
            .args(["-ww", "-o", "pgid=,lstart=,command=", "-p", &pid.to_string()])
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .kill_on_drop(true)
            .output()
            .await
            .ok()?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// `  501 Tue Nov 25 04:09:00 2025     /path/to/program agent`
    fn parse(line: &str) -> Option<Self> {
        let mut rest = line.trim_end();
        let mut next = || {
            let word;
            (word, rest) = rest.trim_start().split_once(char::is_whitespace)?;
            Some(word)
        };
        let group = next()?.parse().ok()?;
        let _weekday = next()?;
        let month = month(next()?)?;
        let day: u64 = next()?.parse().ok()?;
        let time: u64 = next()?.replace(':', "").parse().ok()?;
        let year: u64 = next()?.parse().ok()?;
        let start = ((year * 100 + month) * 100 + day) * 1_000_000 + time;
        Some(Self { group, start, command: rest.trim_start().to_owned() })
    }
}

fn month(name: &str) -> Option<u64> {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    Some(NAMES.iter().position(|known| *known == name)? as u64 + 1)
}

pub(super) async fn start_ticks(pid: u32) -> Option<u64> {
    Some(Row::of(pid).await?.start)
}

/// Sees only reaped ones; the moment between the end and the reaping is short.
pub(super) fn has_exited(pid: u32) -> bool {
    to_pid(pid).is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// A whole process group of ours.
#[derive(Debug)]
pub(super) struct Member {
    group: u32,
    start: u64,
}

impl Member {
    pub(super) fn signal(&self, signal: Signal) {
        send_to_group(self.group, signal);
    }

    pub(super) async fn is_gone(&self) -> bool {
        Row::of(self.group).await.is_none_or(|row| row.start != self.start)
    }
}

/// The environment of a process cannot be read here; instead it must lead its own group and run our
/// program.
pub(super) async fn find(pid: u32, start_ticks: u64, marks: Marks<'_>) -> Found<Member> {
    let Some(row) = Row::of(pid).await else {
        return Found::Gone;
    };
    let program = marks.program.to_string_lossy();
    if row.group == pid && row.start == start_ticks && row.command.starts_with(&*program) {
        Found::Ours(vec![Member { group: pid, start: row.start }])
    } else {
        Found::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_row() {
        let row = Row::parse("  501 Tue Nov  5 04:09:07 2025     /a path/molecule agent\n").unwrap();
        let command = "/a path/molecule agent".to_owned();
        assert_eq!(row, Row { group: 501, start: 20251105040907, command });
        assert_eq!(Row::parse("\n"), None);
        assert_eq!(Row::parse("501 Tue Foo 25 04:09:07 2025 x"), None);
    }

    #[tokio::test]
    async fn asks_the_real_ps() {
        let me = std::process::id();
        let row = Row::of(me).await.unwrap();
        assert!(row.start > 20200000000000, "{row:?}");
        assert_eq!(start_ticks(me).await, Some(row.start));
        assert!(Row::of(u32::MAX).await.is_none());
    }
}
