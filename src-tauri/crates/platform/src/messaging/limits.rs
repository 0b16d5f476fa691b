//! How long a forward may take: silence, the caller's deadline or the ceiling, and the server's stop (10 §9.6).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Job, Sender, dispatch::Failure, silence::Watch};
use crate::App;

/// For messages of agents that bring no deadline of their own; the person waits as long as she likes (S137).
const CEILING: Duration = Duration::from_secs(30 * 60);

/// Why a forward was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing was heard of the target.
    Silent,
    /// It took too long.
    Late,
    /// The server stops.
    Stopping,
}

impl Cut {
    /// As a failure of the agent.
    #[must_use]
    pub const fn failure(self) -> Failure {
        match self {
            Self::Silent => Failure::Busy("no sign of life from the agent for too long"),
            Self::Late => Failure::Busy("the deadline passed before the agent answered"),
            Self::Stopping => Failure::Busy("Molecule is stopping"),
        }
    }
}

/// The limits of one forward.
pub struct Limits {
    watch: Watch,
    window: Duration,
    deadline: Option<Instant>,
    stopping: CancellationToken,
}

impl Limits {
    /// Begins now.
    #[must_use]
    pub fn new(app: &App, job: &Job) -> Self {
        let ceiling = (job.sender != Sender::Canvas).then_some(CEILING);
        Self {
            watch: app.messaging.silence.watch(job.target),
            window: app.presence.idle_timeout(job.target).unwrap_or(app.config.a2a_idle),
            deadline: job.options.timeout.or(ceiling).and_then(|limit| Instant::now().checked_add(limit)),
            stopping: app.tasks.stopping(),
        }
    }

    /// The target itself sent something.
    pub fn hear(&self) {
        self.watch.hear();
    }

    /// Does `work` within the limits.
    ///
    /// # Errors
    /// Which limit was reached.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        let late = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.stopping.cancelled() => Err(Cut::Stopping),
            () = late => Err(Cut::Late),
            () = self.watch.lasts(self.window) => Err(Cut::Silent),
        }
    }
}
