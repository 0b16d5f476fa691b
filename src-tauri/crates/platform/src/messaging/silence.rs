//! Silence: a forward is given up when nothing was heard of its target for a while (10 §9.6, S134).
//!
//! Any event about the target counts. The bus tells of whom each is; kept is the time of the last event of those that
//! somebody waits for, and nothing of the others.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use molecule_model::WorkspaceId;
use tokio::time::{Instant, sleep_until};

use crate::App;

#[derive(Default)]
struct Watched {
    waiting: usize,
    heard: Option<Instant>,
}

/// When each awaited workspace was last heard of.
#[derive(Default)]
pub struct Silence {
    watched: Mutex<HashMap<WorkspaceId, Watched>>,
    listening: AtomicBool,
}

impl Silence {
    /// Starts listening to the bus, once.
    pub fn listen(self: &Arc<Self>, app: &App) {
        if self.listening.load(Ordering::Acquire) || self.listening.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        app.bus.tell(move |id| this.hear(id));
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, id: WorkspaceId) {
        if let Some(watched) = self.map().get_mut(&id) {
            watched.heard = Some(Instant::now());
        }
    }

    /// Begins to wait for `id`.
    #[must_use]
    pub fn watch(self: &Arc<Self>, id: WorkspaceId) -> Watch {
        let mut map = self.map();
        map.entry(id).or_default().waiting += 1;
        Watch { silence: Arc::clone(self), id, since: Instant::now() }
    }
}

/// One forward that waits.
pub struct Watch {
    silence: Arc<Silence>,
    id: WorkspaceId,
    since: Instant,
}

impl Watch {
    /// The target itself sent something on this forward.
    pub fn hear(&self) {
        self.silence.hear(self.id);
    }

    /// Ends when nothing was heard of the target for `window`.
    pub async fn lasts(&self, window: Duration) {
        loop {
            let heard = self.silence.map().get(&self.id).and_then(|watched| watched.heard);
            let due = heard.map_or(self.since, |heard| heard.max(self.since)) + window;
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut map = self.silence.map();
        if let Some(watched) = map.get_mut(&self.id) {
            watched.waiting -= 1;
            if watched.waiting == 0 {
                map.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use molecule_model::WorkspaceId;
    use tokio::time::{Instant, advance};

    use super::Silence;

    #[tokio::test(start_paused = true)]
    async fn s134_every_event_of_the_target_starts_the_window_anew() {
        let silence = Arc::new(Silence::default());
        let (id, other) = (WorkspaceId::random(), WorkspaceId::random());
        let watch = silence.watch(id);
        let began = Instant::now();
        let hearing = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(200)).await;
                silence.hear(id);
                silence.hear(other);
            }
        };
        tokio::join!(watch.lasts(Duration::from_secs(300)), hearing);
        assert_eq!(began.elapsed(), Duration::from_secs(900));
        drop(watch);
        assert!(silence.map().is_empty());
        // What was heard before a forward began does not shorten its window.
        let watch = silence.watch(id);
        silence.hear(id);
        advance(Duration::from_secs(10)).await;
        let second = silence.watch(id);
        let began = Instant::now();
        second.lasts(Duration::from_secs(5)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        drop((watch, second));
    }
}
