//! Organisations of real agents: separate processes, their work joined, and what survives a kill.
#![cfg(unix)]

mod support;

mod agents {
    mod bed;
    mod demo;
    mod dialects;
    mod external;
    mod kills;
}
