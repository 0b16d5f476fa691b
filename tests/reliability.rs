//! What holds when something dies, hangs or sleeps: targets R1, R4, R5, and a closed lid. The real program, real
//! processes, and agents in this process that die as a process does.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says so"
)]

mod support;

mod reliability {
    mod bed;
    mod hanging;
    mod kill_rounds;
    mod lid;
    mod local_zombies;
    mod outside_zombies;
    mod puppet;
    mod restarts;
    mod waking;
}
