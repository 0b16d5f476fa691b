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
            Self::Silent => Failure::GivenUp("no sign of life from the agent for too long"),
            Self::Late => Failure::GivenUp("the deadline passed before the agent answered"),
            Self::Stopping => Failure::Busy("Molecule is stopping"),
        }
    }
}

/// How long the whole of a forward may take: the caller's own deadline, else the ceiling of agents.
fn longest(sender: &Sender, asked: Option<Duration>) -> Option<Duration> {
    asked.or((*sender != Sender::Canvas).then_some(CEILING))
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
        Self {
            watch: app.messaging.silence.watch(job.target),
            window: app.presence.idle_timeout(job.target).unwrap_or(app.config.a2a_idle),
            deadline: longest(&job.sender, job.options.timeout).and_then(|limit| Instant::now().checked_add(limit)),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use molecule_model::WorkspaceId;

    use super::{Sender, longest};

    #[test]
    fn s137_agents_have_a_ceiling_and_the_person_none() {
        let half_an_hour = Some(Duration::from_secs(1_800));
        let agent = Sender::Workspace(WorkspaceId::random());
        assert_eq!(longest(&Sender::Canvas, None), None);
        assert_eq!(longest(&agent, None), half_an_hour);
        assert_eq!(longest(&Sender::System("system:restart-context"), None), half_an_hour);
        // O-11: the caller's own deadline replaces it, shorter or longer.
        for seconds in [1, 7_200] {
            let asked = Some(Duration::from_secs(seconds));
            assert_eq!((longest(&agent, asked), longest(&Sender::Canvas, asked)), (asked, asked));
        }
    }
}
