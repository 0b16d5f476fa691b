//! The server as its callers see it: one module per capability.
#![cfg(unix)]

mod support;

mod server {
    mod access;
    mod bad_input;
    mod capability;
    mod data_directory;
    mod events;
    mod hosts;
    mod launch;
    mod origins;
    mod pages;
    mod starting;
}
