//! `run.json`: what was started, so that the next server can clean up after a crash.

use std::fs;
use std::io;
use std::path::Path;

use molecule_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::private_file;

/// One running agent as noted on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// Process number, which is also the number of its process group.
    pub(super) pid: u32,
    /// Start time of the process in the system's own unit (see [`super::process`]); tells the
    /// process from a later one with the same number. `None` where the system does not say.
    pub(super) start_ticks: Option<u64>,
    /// Where it listens.
    pub(super) url: String,
    /// When it was started; for people.
    pub(super) started_at: Timestamp,
    /// Which installation started it.
    pub(super) installation: String,
}

impl RunRecord {
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        private_file::write(path, &serde_json::to_vec(self)?)
    }

    /// `None` when there is no record or it is not readable as one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}
