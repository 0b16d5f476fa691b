//! What has to be done without anybody asking: taking back claims, telling of what expired, clearing old rows.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use molecule_store::queue;

use super::{Occasion, announce, drain, drop_of_removed, locked, tell};
use crate::App;

const PERIOD: Duration = Duration::from_secs(15);
/// Who was not heard of for so long is looked at instead, seconds.
const UNHEARD: i64 = 60;
/// Between two looks for rows that are old enough to go, seconds.
const PRUNE_EVERY: i64 = 3_600;

/// Starts the loop.
pub fn start(app: &App) {
    let app = Arc::clone(app);
    app.clone().tasks.every("queue-sweep", PERIOD, move || {
        let app = Arc::clone(&app);
        async move { sweep_once(&app).await }
    });
}

/// At boot: what the last process was delivering waits again (O-23), and drains may begin.
pub async fn recover(app: &App) {
    let reclaimed = app
        .store
        .write(|tx| {
            let (count, failed) = queue::reclaim_all(tx)?;
            failed.iter().try_for_each(|ended| tell::unanswered(tx, ended, None))?;
            Ok(count)
        })
        .await;
    match reclaimed {
        Ok(0) => {}
        Ok(count) => tracing::warn!(count, "queued messages were being delivered when the server last stopped"),
        Err(error) => tracing::error!(%error, "the queue could not be taken up"),
    }
    app.messaging.queue.open.store(true, Ordering::Release);
}

/// One sweep.
pub async fn sweep_once(app: &App) {
    let live = Arc::clone(&app.messaging.queue.live);
    let swept = app
        .store
        .write(move |tx| {
            let expired = queue::expired(tx)?;
            let (count, failed) = queue::reclaim_expired(tx, &locked(&live))?;
            expired.iter().chain(&failed).try_for_each(|ended| tell::unanswered(tx, ended, None))?;
            drop_of_removed(tx)?;
            Ok((expired, count))
        })
        .await;
    match swept {
        Ok((expired, reclaimed)) => {
            if reclaimed > 0 {
                tracing::warn!(count = reclaimed, "claims of queued messages were taken back");
            }
            expired.iter().for_each(|ended| announce(app, ended.workspace));
        }
        Err(error) => tracing::error!(%error, "the queue could not be swept"),
    }
    look(app).await;
    prune(app).await;
}

/// Tries to deliver what waits for agents that never beat: else it would wait until somebody wrote to them.
async fn look(app: &App) {
    let now = app.now();
    let cutoff = now.plus_seconds(-UNHEARD);
    match app.store.read(move |conn| queue::waits_unheard(conn, now, cutoff)).await {
        Ok(ids) => ids.into_iter().for_each(|id| drain(app, id, Occasion::Look)),
        Err(error) => tracing::error!(%error, "whom messages wait for could not be read"),
    }
}

async fn prune(app: &App) {
    let now = app.now();
    {
        let mut pruned = locked(&app.messaging.queue.pruned);
        if pruned.is_some_and(|before| (0..PRUNE_EVERY).contains(&now.seconds_since(before))) {
            return;
        }
        *pruned = Some(now);
    }
    let days = i64::from(app.config.activity_retention_days);
    let cutoff = now.plus_seconds(-days.saturating_mul(86_400));
    match app.store.write(move |tx| queue::prune(tx, cutoff)).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "old rows of the queue were deleted"),
        Err(error) => tracing::error!(%error, "old rows of the queue could not be deleted"),
    }
}
