//! Where agents run: the [`Launcher`] trait and the local child-process launcher.
//!
//! A launcher turns a [`Launch`] (what to run, with its freshly minted credentials) into a running
//! agent at a URL, says at once when that agent ends, and cleans up what a crashed server left
//! behind. The platform sees only the trait (`S001`); a launcher that cannot work right now says so
//! with a canned reason ([`Unavailable`], `S002`) and nothing about a workspace changes (`R-58`).

mod error;
mod launch;
mod launcher;
mod local;

pub use error::{LaunchError, Unavailable};
pub use launch::{Access, Credentials, Launch, LaunchSpec};
pub use launcher::{Exit, Instance, Launcher, Started, SweepReport};
pub use local::{LocalLauncher, LocalOptions};
