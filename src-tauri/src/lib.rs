//! Molecule Desktop: the command line and the window around the platform server.

mod assets;
pub mod cli;
#[cfg(feature = "desktop")]
pub mod desktop;
mod home;
mod remote;
