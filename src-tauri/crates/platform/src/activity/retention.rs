//! What is forgotten, and when: old rows of the log (10 §18.4) and the outbox's mirrors of them after a day.
//!
//! Everything goes in small helpings with pauses, so that the writer is never held up; afterwards the file gives back
//! the room. When the log was last gone through is kept, so that a machine that is never on for a whole period
//! forgets all the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use molecule_model::Timestamp;
use molecule_store::{Result, Tx, activity, outbox};

use crate::{App, server::meta};

/// Between two looks at the clock.
const EVERY: Duration = Duration::from_secs(60);
/// Rows of one helping.
const HELPING: usize = 200;
/// Pages that one helping gives back to the file system.
const PAGES: i64 = 256;
/// Free pages that are kept for what comes next.
const SPARE: i64 = 1024;
/// Pause after a helping, as a multiple of its time.
const REST: u32 = 4;
/// How long mirrored events can be resumed, seconds.
const OUTBOX: i64 = 24 * 60 * 60;
const DAY: i64 = 24 * 60 * 60;
/// The row of `meta` that says when the log was last gone through.
const LAST: &str = "activity_cleaned_at";

/// Starts looking.
pub fn start(app: &App) {
    let app = Arc::clone(app);
    app.clone().tasks.every("retention", EVERY, move || {
        let app = Arc::clone(&app);
        async move {
            if let Err(error) = sweep_once(&app).await {
                tracing::error!(%error, "old rows were not deleted");
            }
        }
    });
}

/// Deletes what is due now.
///
/// # Errors
/// When rows cannot be read or written.
pub async fn sweep_once(app: &App) -> Result<()> {
    let now = app.now();
    let cutoff = now.plus_seconds(-OUTBOX);
    if !app.store.read(move |conn| outbox::old(conn, cutoff, 1)).await?.is_empty() {
        in_helpings(app, move |tx| outbox::prune(tx, cutoff, HELPING)).await?;
    }
    if is_due(app, now).await? {
        let began = Instant::now();
        tracing::info!(days = app.config.activity_retention_days, "deleting old activity");
        let cutoff = now.plus_seconds(-i64::from(app.config.activity_retention_days) * DAY);
        let deleted = in_helpings(app, move |tx| activity::prune(tx, cutoff, HELPING)).await?;
        let pages = give_back(app).await?;
        tracing::info!(deleted, pages, elapsed_ms = began.elapsed().as_millis(), "old activity deleted");
    }
    Ok(())
}

/// Whether a period has passed. The first one begins now.
async fn is_due(app: &App, now: Timestamp) -> Result<bool> {
    let period = i64::from(app.config.activity_cleanup_hours) * 3600;
    let last: Option<Timestamp> = app.store.read(|conn| meta(conn, LAST)).await?.and_then(|text| text.parse().ok());
    // A last time that lies ahead was noted by a clock that went wrong.
    let due = last.is_some_and(|last| now.seconds_since(last) >= period || last > now);
    if due || last.is_none() {
        crate::server::set_meta(&app.store, LAST, now.to_string()).await?;
    }
    Ok(due)
}

async fn in_helpings(app: &App, job: impl Fn(&mut Tx<'_>) -> Result<usize> + Clone + Send + 'static) -> Result<usize> {
    let mut gone = 0;
    loop {
        let began = Instant::now();
        let some = app.store.write(job.clone()).await?;
        gone += some;
        if some < HELPING || rest(app, began).await {
            return Ok(gone);
        }
    }
}

/// Waits a while; whether the server stops.
async fn rest(app: &App, began: Instant) -> bool {
    tokio::select! {
        () = tokio::time::sleep(began.elapsed() * REST) => false,
        () = app.tasks.stopping().cancelled_owned() => true,
    }
}

/// Gives free pages back to the file system, and answers how many.
async fn give_back(app: &App) -> Result<i64> {
    let mut given = 0;
    loop {
        let began = Instant::now();
        let some = app
            .store
            .write(|tx| {
                let free: i64 = tx.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
                let pages = (free - SPARE).clamp(0, PAGES);
                if pages > 0 {
                    let mut vacuum = tx.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
                    let mut rows = vacuum.query([])?;
                    while rows.next()?.is_some() {}
                }
                Ok(pages)
            })
            .await?;
        given += some;
        if some < PAGES || rest(app, began).await {
            return Ok(given);
        }
    }
}
