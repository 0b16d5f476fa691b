//! Supervised background work: named, restarted after a panic, visible in `/health` (S122, 20 §8.8).

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use molecule_model::Timestamp;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Clock;

/// First pause after a panic; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// All background work of one server.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    beats: Arc<Mutex<BTreeMap<&'static str, Beat>>>,
    clock: Arc<dyn Clock>,
}

/// What a loop last said of itself.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    /// When it last went round.
    pub last_tick_at: Timestamp,
    /// How often it panicked.
    pub panics: u32,
}

impl Tasks {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), beats: Arc::default(), clock }
    }

    /// Work that ends by itself, detached from the request that asked for it. A panic is logged and stays here.
    pub fn detach(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a detached task panicked");
            }
        });
    }

    /// A loop that runs until the server stops; after a panic it starts again, later each time.
    pub fn supervise<F, W>(&self, name: &'static str, mut make: F)
    where
        F: FnMut(CancellationToken) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        self.beat(name);
        self.tracker.spawn(async move {
            let mut pause = FIRST_PAUSE;
            while !this.stop.is_cancelled() {
                let work = AssertUnwindSafe(make(this.stop.clone())).catch_unwind();
                if work.await.is_ok() {
                    return;
                }
                tracing::error!(
                    task = name,
                    pause_ms = pause.as_millis(),
                    "a background loop panicked and starts again"
                );
                this.count_panic(name);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = this.stop.cancelled() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// A loop that calls `tick` every `period`.
    pub fn every<F, W>(&self, name: &'static str, period: Duration, tick: F)
    where
        F: Fn() -> W + Clone + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        self.supervise(name, move |stop| {
            let (this, tick) = (this.clone(), tick.clone());
            async move {
                let mut timer = tokio::time::interval(period);
                timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = timer.tick() => {}
                        () = stop.cancelled() => return,
                    }
                    tick().await;
                    this.beat(name);
                }
            }
        });
    }

    /// A loop went round.
    pub fn beat(&self, name: &'static str) {
        let now = self.clock.now();
        if let Ok(mut beats) = self.beats.lock() {
            beats
                .entry(name)
                .and_modify(|beat| beat.last_tick_at = now)
                .or_insert(Beat { last_tick_at: now, panics: 0 });
        }
    }

    fn count_panic(&self, name: &'static str) {
        if let Some(beat) = self.beats.lock().ok().as_mut().and_then(|beats| beats.get_mut(name)) {
            beat.panics += 1;
        }
    }

    /// What the loops last said.
    #[must_use]
    pub fn beats(&self) -> BTreeMap<&'static str, Beat> {
        self.beats.lock().map(|beats| beats.clone()).unwrap_or_default()
    }

    /// Fires when the server stops.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops the loops and waits for detached work, at most `limit`.
    pub async fn shut_down(&self, limit: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "background work was cut off");
        }
    }
}

/// Steps of the recovery that still run, shown in `/health`.
#[derive(Clone, Default)]
pub struct Recovering(Arc<watch::Sender<BTreeSet<&'static str>>>);

impl Recovering {
    /// A step begins.
    pub fn begin(&self, step: &'static str) {
        self.0.send_modify(|steps| _ = steps.insert(step));
    }

    /// A step is done.
    pub fn end(&self, step: &'static str) {
        self.0.send_modify(|steps| _ = steps.remove(step));
    }

    /// What still runs.
    #[must_use]
    pub fn steps(&self) -> Vec<&'static str> {
        self.0.borrow().iter().copied().collect()
    }

    /// Waits until no other step than these runs.
    pub async fn done_but(&self, others: &[&str]) {
        // An error would say that the sender is gone, and it is held here.
        drop(self.0.subscribe().wait_for(|steps| steps.iter().all(|step| others.contains(step))).await);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };

    use molecule_model::Timestamp;
    use tokio::{sync::mpsc, time::Instant};

    use super::{LONGEST_PAUSE, Tasks};
    use crate::ManualClock;

    fn tasks() -> Tasks {
        Tasks::new(Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000))))
    }

    #[tokio::test(start_paused = true)]
    async fn s122_a_loop_that_panics_starts_again_later_each_time_and_is_counted() {
        let tasks = tasks();
        let (begun, mut begins) = mpsc::unbounded_channel();
        tasks.supervise("shaky", move |_| {
            begun.send(Instant::now()).unwrap();
            async { panic!("as the test wants") }
        });
        let mut before = begins.recv().await.unwrap();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let now = begins.recv().await.unwrap();
            assert_eq!((now - before).as_secs(), seconds);
            before = now;
        }
        assert_eq!(LONGEST_PAUSE.as_secs(), 30);
        assert_eq!(tasks.beats()["shaky"].panics, 8, "one for each beginning");
        tasks.shut_down(Duration::from_secs(60)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn s122_a_tick_that_panics_ends_only_itself_and_a_clean_end_is_one() {
        let tasks = tasks();
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&rounds);
        tasks.every("ticking", Duration::from_secs(60), move || {
            let round = counted.fetch_add(1, Ordering::SeqCst);
            async move { assert!(round != 1, "as the test wants") }
        });
        let (done, mut ends) = mpsc::unbounded_channel();
        tasks.supervise("short", move |_| {
            done.send(()).unwrap();
            async {}
        });
        tokio::time::sleep(Duration::from_secs(200)).await;
        // At 0 s, at 60 s with the panic, and from 61 s on again every minute.
        assert_eq!((rounds.load(Ordering::SeqCst), tasks.beats()["ticking"].panics), (5, 1));
        assert!(ends.recv().await.is_some() && ends.try_recv().is_err(), "it ended cleanly, once");
        tasks.shut_down(Duration::from_secs(1)).await;
    }
}
