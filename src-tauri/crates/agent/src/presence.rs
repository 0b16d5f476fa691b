//! How the agent is doing, as its heartbeats tell it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use molecule_model::preview;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::platform::Beat;

/// A rate stands at least this long where no request followed that could change it.
const RATE_STANDS: Duration = Duration::from_secs(30);
/// Characters of `current_task`.
const TASK_LIMIT: usize = 79;

#[derive(Debug)]
pub(crate) struct Presence {
    started: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    tasks: BTreeMap<u64, String>,
    /// Questions that the person has not answered yet.
    waits: BTreeMap<u64, String>,
    asked: u32,
    failed: u32,
    rate: f64,
    rated: Option<Instant>,
    sample_error: String,
}

impl Default for Presence {
    fn default() -> Self {
        Self { started: Instant::now(), state: Mutex::default(), changed: Notify::new() }
    }
}

impl Presence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn begins; it is over when the guard is dropped.
    pub(crate) fn begin(&self, label: &str) -> Busy<'_> {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, short(label));
        drop(state);
        self.changed.notify_one();
        Busy { presence: self, id }
    }

    /// A turn waits for the person; until the guard is dropped that is what the agent is doing.
    pub(crate) fn waiting(&self, label: &str) -> Waiting<'_> {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.waits.insert(id, short(label));
        drop(state);
        self.changed.notify_one();
        Waiting { presence: self, id }
    }

    /// A turn came to an end by itself; with the sentence where it failed.
    pub(crate) fn ended(&self, failure: Option<&str>) {
        let mut state = self.state();
        state.asked += 1;
        if let Some(sentence) = failure {
            state.failed += 1;
            state.sample_error = preview::ellipsis(sentence, 300);
        }
    }

    /// Completes when there is news worth an early heartbeat.
    pub(crate) async fn news(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The number of running turns and what the newest one is about.
    pub(crate) fn now(&self) -> (usize, String) {
        let state = self.state();
        let doing = state.waits.values().next_back().or_else(|| state.tasks.values().next_back());
        (state.tasks.len(), doing.cloned().unwrap_or_default())
    }

    /// The next heartbeat. The rate is errors ÷ turns since the one before (40 §5.1).
    pub(crate) fn beat(&self, workspace_id: &str) -> Beat {
        let (active_tasks, current_task) = self.now();
        let mut state = self.state();
        let now = Instant::now();
        if state.asked > 0 {
            state.rate = f64::from(state.failed) / f64::from(state.asked);
            state.rated = Some(now);
            (state.asked, state.failed) = (0, 0);
        } else if state.rated.is_some_and(|rated| now.duration_since(rated) > RATE_STANDS) {
            state.rate = 0.0;
            state.rated = None;
        }
        let failing = state.rate > 0.0;
        Beat {
            workspace_id: workspace_id.to_owned(),
            error_rate: state.rate,
            sample_error: if failing { state.sample_error.clone() } else { String::new() },
            active_tasks,
            current_task,
            uptime_seconds: self.started.elapsed().as_secs().max(1),
            runtime_metadata: json!({"capabilities": {
                "heartbeat": false, "scheduler": false, "session": false, "status_mgmt": false,
                "retry": false, "activity_decoration": false, "channel_dispatch": false,
            }}),
        }
    }
}

fn short(label: &str) -> String {
    let line = label.split_whitespace().collect::<Vec<_>>().join(" ");
    preview::ellipsis(&line, TASK_LIMIT)
}

/// A running turn.
pub(crate) struct Busy<'a> {
    presence: &'a Presence,
    id: u64,
}

/// An open question.
pub(crate) struct Waiting<'a> {
    presence: &'a Presence,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.presence.state().waits.remove(&self.id);
        self.presence.changed.notify_one();
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.presence.state().tasks.remove(&self.id);
        self.presence.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beats_tell_what_is_going_on() {
        let presence = Presence::default();
        let first = presence.beat("w");
        assert_eq!((first.active_tasks, first.current_task.as_str(), first.uptime_seconds), (0, "", 1));
        let one = presence.begin("Write\n a   poem");
        let two = presence.begin(&"long ".repeat(40));
        let beat = presence.beat("w");
        assert_eq!(beat.active_tasks, 2);
        assert_eq!(beat.current_task.chars().count(), 80);
        drop(two);
        let waiting = presence.waiting("Waiting for you: Run");
        assert_eq!(presence.beat("w").current_task, "Waiting for you: Run");
        drop(waiting);
        assert_eq!(presence.beat("w").current_task, "Write a poem");
        drop(one);
        assert_eq!(presence.beat("w").active_tasks, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stands_until_a_success_or_half_a_minute() {
        let presence = Presence::default();
        presence.ended(Some("no key"));
        let beat = presence.beat("w");
        assert_eq!((beat.error_rate, beat.sample_error.as_str()), (1.0, "no key"));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!((presence.beat("w").error_rate - 1.0).abs() < f64::EPSILON);
        presence.ended(None);
        assert_eq!((presence.beat("w").error_rate, presence.beat("w").sample_error.as_str()), (0.0, ""));
        presence.ended(Some("again"));
        presence.ended(None);
        assert!((presence.beat("w").error_rate - 0.5).abs() < f64::EPSILON);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(presence.beat("w").error_rate.abs() < f64::EPSILON);
    }

    #[tokio::test]
    async fn begin_and_end_are_news() {
        let presence = Presence::default();
        let busy = presence.begin("x");
        presence.news().await;
        drop(busy);
        presence.news().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), presence.news()).await.is_err());
    }
}
