//! Who is alive, and what each agent said of itself in its last beat (10 §5.1, §18.4). In memory only.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use molecule_model::{Timestamp, WorkspaceId};

/// Silence after which a workspace counts as gone, seconds.
pub const LIVENESS: i64 = 180;
/// Between two looks at the clock, seconds: the period of the loop that looks most often.
const LOOKS: i64 = 15;
/// A look that comes this much later than expected, or earlier, tells of a laptop that slept, seconds.
const SLEPT: i64 = 30;
/// How long after a register its port may still be closed (40 §3), seconds.
const SETTLING: i64 = 3;

/// What a beat says of the runtime (10 §5.1); replaces what the one before said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// What the agent does itself: `session`, `scheduler`, `status_mgmt`, …
    pub capabilities: BTreeMap<String, bool>,
    /// Silence after which a forward to it is given up.
    pub idle_timeout: Option<Duration>,
}

#[derive(Default)]
struct Known {
    deadline: Option<Timestamp>,
    registered_at: Option<Timestamp>,
    /// When it last said that it works on something, or came up (20 §8.5).
    worked_at: Option<Timestamp>,
    overrides: Overrides,
}

#[derive(Default)]
struct State {
    known: HashMap<WorkspaceId, Known>,
    looked: Option<Timestamp>,
    woke: Option<Timestamp>,
}

/// Liveness deadlines and runtime overrides.
#[derive(Default)]
pub struct Presence(Mutex<State>);

impl Presence {
    fn state(&self) -> MutexGuard<'_, State> {
        // Plain maps: nothing in here is half done when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sign of life: the deadline is `now` + [`LIVENESS`] (O-4).
    pub fn touch(&self, id: WorkspaceId, now: Timestamp) {
        self.state().known.entry(id).or_default().deadline = Some(now.plus_seconds(LIVENESS));
    }

    /// It registered: alive, and perhaps not yet listening.
    pub fn registered(&self, id: WorkspaceId, now: Timestamp) {
        let mut state = self.state();
        let known = state.known.entry(id).or_default();
        known.deadline = Some(now.plus_seconds(LIVENESS));
        known.registered_at = Some(now);
        known.worked_at = Some(now);
    }

    /// It said that it works on something.
    pub fn working(&self, id: WorkspaceId, now: Timestamp) {
        self.state().known.entry(id).or_default().worked_at = Some(now);
    }

    /// Since when it has had nothing to do, as far as it said itself. `None`: nothing was heard of it since the
    /// server began.
    #[must_use]
    pub fn idle_since(&self, id: WorkspaceId) -> Option<Timestamp> {
        self.state().known.get(&id).and_then(|known| known.worked_at)
    }

    /// Whether it registered so lately that its port may still be closed.
    #[must_use]
    pub fn is_settling(&self, id: WorkspaceId, now: Timestamp) -> bool {
        let at = self.state().known.get(&id).and_then(|known| known.registered_at);
        at.is_some_and(|at| (0..SETTLING).contains(&now.seconds_since(at)))
    }

    /// Nothing is expected of it any more: stopped, paused, deleted, or found dead.
    pub fn forget(&self, id: WorkspaceId) {
        self.state().known.remove(&id);
    }

    /// Takes what a beat said of the runtime; a beat that says nothing clears it (O-25).
    pub fn describe(&self, id: WorkspaceId, overrides: Overrides) {
        self.state().known.entry(id).or_default().overrides = overrides;
    }

    /// What the agent said that it does itself.
    #[must_use]
    pub fn capabilities(&self, id: WorkspaceId) -> BTreeMap<String, bool> {
        self.state().known.get(&id).map(|known| known.overrides.capabilities.clone()).unwrap_or_default()
    }

    /// Whether the agent said that it does `capability` itself.
    #[must_use]
    pub fn is_native(&self, id: WorkspaceId, capability: &str) -> bool {
        let state = self.state();
        state.known.get(&id).and_then(|known| known.overrides.capabilities.get(capability)).copied().unwrap_or(false)
    }

    /// How long a forward to it may be silent, where it said so (S135).
    #[must_use]
    pub fn idle_timeout(&self, id: WorkspaceId) -> Option<Duration> {
        self.state().known.get(&id).and_then(|known| known.overrides.idle_timeout)
    }

    /// Looks at the clock; every sweep does so before it judges anybody. Where the look comes so late that the
    /// machine slept or its clock was set, and at the first one, everybody gets one more interval, so that nobody
    /// is called dead, late or idle for our own absence (S110, R3).
    pub fn look(&self, now: Timestamp) {
        let mut state = self.state();
        let Some(before) = state.looked.replace(now) else {
            state.woke = Some(now);
            return;
        };
        let gap = now.seconds_since(before);
        if (-SLEPT..=LOOKS + SLEPT).contains(&gap) {
            return;
        }
        tracing::info!(gap_seconds = gap, "the machine slept or its clock was set: everybody gets another interval");
        state.woke = Some(now);
        for known in state.known.values_mut() {
            known.deadline = known.deadline.map(|_| now.plus_seconds(LIVENESS));
            known.worked_at = known.worked_at.map(|_| now);
        }
    }

    /// Whether the machine woke, or the server began, less than `seconds` ago.
    #[must_use]
    pub fn woke_within(&self, now: Timestamp, seconds: i64) -> bool {
        self.woke().is_some_and(|woke| (0..seconds).contains(&now.seconds_since(woke)))
    }

    /// When the machine last came back from sleep, or the server began.
    #[must_use]
    pub fn woke(&self) -> Option<Timestamp> {
        self.state().woke
    }

    /// Those whose deadline has passed. Each is told once.
    pub fn take_expired(&self, now: Timestamp) -> Vec<WorkspaceId> {
        let mut state = self.state();
        let expired: Vec<_> = state
            .known
            .iter()
            .filter(|(_, known)| known.deadline.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in &expired {
            if let Some(known) = state.known.get_mut(id) {
                known.deadline = None;
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use molecule_model::{Timestamp, WorkspaceId};

    use super::{LIVENESS, Overrides, Presence};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus_seconds(seconds)
    }

    /// Sweeps every 15 s from `from` to `to`; answers when the deadline passed.
    fn sweep(presence: &Presence, from: i64, to: i64) -> Option<i64> {
        (from..=to).step_by(15).find(|second| {
            presence.look(at(*second));
            !presence.take_expired(at(*second)).is_empty()
        })
    }

    #[test]
    fn every_beat_gives_another_interval_and_expiry_is_told_once() {
        let presence = Presence::default();
        let id = WorkspaceId::random();
        presence.touch(id, at(0));
        assert_eq!(sweep(&presence, 0, 165), None);
        presence.touch(id, at(165));
        assert_eq!(sweep(&presence, 180, 600), Some(345));
        assert_eq!(sweep(&presence, 360, 900), None, "told once");
        presence.touch(id, at(900));
        assert_eq!(sweep(&presence, 915, 2000), Some(900 + LIVENESS), "a beat re-arms an expired deadline (O-4)");
    }

    #[test]
    fn s110_r3_nobody_dies_of_a_nap_or_a_set_clock() {
        for jump in [120, 3_600, 8 * 3_600, 86_400, -3_600, -86_400] {
            let presence = Presence::default();
            let id = WorkspaceId::random();
            presence.touch(id, at(0));
            assert_eq!(sweep(&presence, 0, 60), None);
            let woken = 75 + jump;
            assert_eq!(sweep(&presence, woken, woken + 165), None, "{jump}");
            assert_eq!(
                sweep(&presence, woken + 180, woken + 400),
                Some(woken + 180),
                "{jump}: silence still counts afterwards"
            );
        }
    }

    #[test]
    fn s110_a_night_with_a_closed_lid_is_no_idleness_either() {
        let presence = Presence::default();
        let id = WorkspaceId::random();
        assert_eq!(presence.idle_since(id), None);
        presence.registered(id, at(0));
        presence.look(at(0));
        presence.look(at(15));
        assert_eq!(presence.idle_since(id), Some(at(0)));
        presence.working(id, at(20));
        presence.look(at(30));
        assert_eq!(presence.idle_since(id), Some(at(20)));
        presence.look(at(8 * 3_600));
        assert_eq!(presence.idle_since(id), Some(at(8 * 3_600)));
        assert!(presence.woke_within(at(8 * 3_600 + 9), 10) && !presence.woke_within(at(8 * 3_600 + 10), 10));
    }

    #[test]
    fn s092_overrides_are_replaced_and_forgotten() {
        let presence = Presence::default();
        let id = WorkspaceId::random();
        let said = Overrides {
            capabilities: [("session".to_owned(), true)].into(),
            idle_timeout: Some(Duration::from_secs(9)),
        };
        presence.describe(id, said);
        assert!(presence.is_native(id, "session") && !presence.is_native(id, "scheduler"));
        assert_eq!(presence.idle_timeout(id), Some(Duration::from_secs(9)));
        presence.describe(id, Overrides::default());
        assert!(presence.capabilities(id).is_empty() && presence.idle_timeout(id).is_none());
        presence.registered(id, at(0));
        assert!(presence.is_settling(id, at(2)) && !presence.is_settling(id, at(3)));
        presence.forget(id);
        assert!(!presence.is_settling(id, at(0)));
    }
}
