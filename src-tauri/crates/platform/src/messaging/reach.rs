//! Reaching an agent: one post at its newest address, and whether one that gave no answer is dead (10 §9.7).

use std::time::Duration;

use molecule_model::{Status, WorkspaceId};
use molecule_store::inflight::{self, Addressee};
use tokio::time::Instant;

use super::{
    Job,
    dispatch::{AnswerBody, Failure},
    door::Spoken,
};
use crate::{
    App,
    provisioning::{self, Instance},
    registry,
};

/// How long a closed port of an agent that just started is tried again (40 §3).
const SETTLING: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// How long the launcher is given to notice that a process is gone whose connection broke.
const NOTICE: Duration = Duration::from_millis(20);
const NOTICES: usize = 10;

/// Posts; a closed port of an agent that just started is tried again for a while, at its newest address.
pub(super) async fn post(
    app: &App,
    job: &Job,
    to: &Addressee,
    spoken: &Spoken,
) -> Result<axum::http::Response<AnswerBody>, Failure> {
    let accept = if job.message.streaming { "text/event-stream, application/json" } else { "application/json" };
    let until = Instant::now() + SETTLING;
    let mut url = to.url.clone();
    loop {
        let answer = app.messaging.dispatcher.post(&url, spoken.body.clone(), accept, spoken.version.as_deref()).await;
        if !matches!(answer, Err(Failure::ConnectionRefused)) || Instant::now() >= until {
            return answer;
        }
        let (target, settling) = (job.target, app.presence.is_settling(job.target, app.now()));
        let now = app.store.read(move |conn| inflight::addressee(conn, target)).await.ok().flatten();
        let Some(now) = now.filter(|now| !now.url.is_empty()) else { return answer };
        let comes_up = now.launched
            && now.status == Status::Online
            && provisioning::instance_state(app, job.target).await == Instance::Running;
        if !settling && !comes_up {
            return answer;
        }
        url = now.url;
        if app.messaging.rules.check_text(&url).is_err() {
            return answer;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// The dead-agent check (10 §9.7.1, R-59): only what we launched can be dead, and what the launcher cannot say
/// counts as alive. A connection that broke may be told before the process is known to be gone.
pub(super) async fn is_dead(app: &App, id: WorkspaceId, to: &Addressee, patient: bool) -> bool {
    if !to.launched {
        return false;
    }
    for _ in 0..NOTICES {
        match provisioning::instance_state(app, id).await {
            Instance::Gone => {
                registry::process_gone(app, id).await;
                return true;
            }
            Instance::Running => {}
            Instance::NotOurs | Instance::Unknown => return false,
        }
        // Another process may run already in the dead one's place.
        let now = app.store.read(move |conn| inflight::addressee(conn, id)).await.ok().flatten();
        if now.is_some_and(|now| now.url != to.url) {
            return true;
        }
        if !patient {
            return false;
        }
        tokio::time::sleep(NOTICE).await;
    }
    false
}
