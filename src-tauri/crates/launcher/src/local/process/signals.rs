//! Signals to process groups.

use rustix::process::{Pid, kill_process_group};

use super::Signal;

pub(super) fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

pub(super) fn to_system(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
    }
}

/// Fine when the group is empty.
pub(super) fn send_to_group(pid: u32, signal: Signal) {
    if let Some(group) = to_pid(pid).filter(|group| !group.is_init()) {
        let _ = kill_process_group(group, to_system(signal));
    }
}
