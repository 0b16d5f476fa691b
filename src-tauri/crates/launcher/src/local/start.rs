//! The start of one agent, step by step. Each step's traces are undone when a later one fails or
//! the caller goes away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::fs;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agent_process::{AgentProcess, Program};
use super::console_log::{self, ConsoleLog};
use super::credential_files::CredentialFiles;
use super::listening::{self, NotListening};
use super::run_record::RunRecord;
use super::slot::{Running, Slot};
use super::supervisor::{DRAIN_PATIENCE, Supervisor};
use super::{Inner, environment, process};
use crate::{Instance, Launch, LaunchError, Started, Unavailable};

/// How much of an early exit's console goes into the error, in bytes.
const TAIL: u64 = 4096;

/// Starts what `launch` says in `slot`, whose turn the caller holds and which is empty.
pub(super) async fn start(inner: &Inner, slot: &Arc<Slot>, launch: &Launch) -> Result<Started, LaunchError> {
    let spec = launch.spec();
    let options = &inner.options;
    let environment = environment::assemble(&inner.inherited, &options.installation, launch)?;
    prepare_workspace(&options.workspaces_root, &spec.workspace_dir).await?;
    let credentials = CredentialFiles::write(&spec.config_dir, launch.credentials())?;
    let log =
        ConsoleLog::open(&spec.log_path, options.log_limit).await.map_err(LaunchError::files("open console log"))?;
    slot.set_log_path(spec.log_path.clone());

    let started = Instant::now();
    let started_at = (options.clock)();
    let (mut process, stdout, stderr) = AgentProcess::spawn(&Program {
        path: &options.program,
        args: &options.args,
        environment: &environment,
        current_dir: &spec.workspace_dir,
    })?;
    drop(environment);
    let written = log.written();
    let mut console = tokio::spawn(log.fill_from(stderr));

    let listening = listening::wait(&mut process, stdout, options.listen_deadline, inner.closing()).await;
    let recorded = match listening {
        Ok(url) => {
            let record = RunRecord {
                pid: process.pid(),
                start_ticks: process::start_ticks(process.pid()).await,
                url,
                started_at,
                installation: options.installation.clone(),
            };
            let written = record.write(&spec.state_path);
            written.map(|()| record).map_err(LaunchError::files("write run record"))
        }
        Err(reason) => {
            process.kill().await;
            drain(&mut console).await;
            let tail = TAIL.min(written.load(Ordering::Acquire));
            Err(explain(reason, inner, &spec.log_path, tail).await)
        }
    };
    let record = match recorded {
        Ok(record) => record,
        Err(error) => {
            process.kill().await;
            return Err(error);
        }
    };

    // From here on there is no pause and no failure: the agent gets its keeper.
    credentials.keep();
    let started_agent = Started { url: record.url.clone(), pid: Some(record.pid) };
    let (stop, stop_asked) = oneshot::channel();
    let (ended, ended_seen) = watch::channel(false);
    slot.fill(Running {
        instance: Instance { workspace_id: spec.workspace_id, url: record.url, pid: Some(record.pid), started_at },
        pid: record.pid,
        stop: Some(stop),
        ended: ended_seen,
    });
    let supervisor = Supervisor {
        workspace_id: spec.workspace_id,
        process,
        started,
        grace: options.stop_grace,
        console,
        state_path: spec.state_path.clone(),
        slot: Arc::downgrade(slot),
        stop: stop_asked,
        ended,
        exits: inner.exits.clone(),
    };
    tokio::spawn(supervisor.run());
    Ok(started_agent)
}

/// A private folder is made; a folder that the user chose must be there.
async fn prepare_workspace(workspaces_root: &Path, dir: &Path) -> Result<(), LaunchError> {
    if dir.starts_with(workspaces_root) {
        fs::create_dir_all(dir).await.map_err(LaunchError::files("create workspace folder"))?;
    }
    fs::read_dir(dir).await.map(drop).map_err(LaunchError::WorkspaceFolder)
}

async fn drain(console: &mut JoinHandle<()>) {
    let _ = timeout(DRAIN_PATIENCE, console).await;
}

async fn explain(reason: NotListening, inner: &Inner, log: &Path, tail: u64) -> LaunchError {
    match reason {
        NotListening::Exited(end) => LaunchError::ExitedEarly {
            code: end.code,
            signal: end.signal,
            tail: console_log::tail(log, tail).await.unwrap_or_default(),
        },
        NotListening::TooLate if inner.is_closing() => Unavailable::ShuttingDown.into(),
        NotListening::TooLate => LaunchError::NeverListened(inner.options.listen_deadline),
        NotListening::Unusable(line) => LaunchError::BadListeningLine(line),
    }
}
