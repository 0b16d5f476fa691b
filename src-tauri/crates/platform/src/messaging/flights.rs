//! What is on its way right now, in memory: how many, since how many hops, and who answers whom.

use std::{
    collections::{HashMap, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use molecule_model::WorkspaceId;
use tokio::{sync::Notify, time::Instant};

/// A message that was caused by more messages than this is a loop.
pub const MOST_HOPS: u32 = 16;
/// Alternations of one pair in [`WINDOW`] that are still a conversation.
const MOST_ALTERNATIONS: usize = 30;
/// The same text so often in one chain of alternations is a loop.
const SAME_TEXT: usize = 3;
/// What "in a minute" means, and how long a pair is paused.
pub const WINDOW: Duration = Duration::from_secs(60);

struct Flight {
    id: String,
    source: Option<WorkspaceId>,
    hop: u32,
    task_id: Option<String>,
}

#[derive(Default)]
struct Pair {
    alternations: VecDeque<(Instant, u64)>,
    paused_until: Option<Instant>,
}

#[derive(Default)]
struct State {
    to: HashMap<WorkspaceId, Vec<Flight>>,
    pairs: HashMap<(WorkspaceId, WorkspaceId), Pair>,
}

/// Messages in flight.
#[derive(Default)]
pub struct Flights {
    state: Mutex<State>,
    /// Somebody has nothing more on its way.
    freed: Notify,
}

/// What the loop guard says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go; so many messages caused it.
    Hop(u32),
    /// Too many caused it.
    TooManyHops,
    /// These two only answer each other; the pair is paused for so long.
    Paused {
        /// How long still.
        left: Duration,
        /// This message tripped it.
        now: bool,
    },
}

fn sorted(a: WorkspaceId, b: WorkspaceId) -> (WorkspaceId, WorkspaceId) {
    if a <= b { (a, b) } else { (b, a) }
}

impl Flights {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a message from workspace `from` to `to`; `text` is asked for only where the two answer each other.
    pub fn judge(&self, from: WorkspaceId, to: WorkspaceId, text: impl FnOnce() -> String) -> Verdict {
        let mut state = self.state();
        let handled = state.to.get(&from);
        let hop = handled.and_then(|flights| flights.iter().map(|flight| flight.hop).max()).map_or(1, |hop| hop + 1);
        let answers =
            handled.is_some_and(|flights| flights.iter().any(|flight| flight.source == Some(to))) && from != to;
        if hop > MOST_HOPS {
            return Verdict::TooManyHops;
        }
        let now = Instant::now();
        let key = sorted(from, to);
        if let Some(left) =
            state.pairs.get(&key).and_then(|pair| pair.paused_until).and_then(|until| until.checked_duration_since(now))
            && !left.is_zero()
        {
            return Verdict::Paused { left, now: false };
        }
        if answers {
            let mut hasher = DefaultHasher::new();
            text().hash(&mut hasher);
            if state.pairs.entry(key).or_default().alternate(now, hasher.finish()) {
                return Verdict::Paused { left: WINDOW, now: true };
            }
        }
        Verdict::Hop(hop)
    }

    /// A message leaves for `to`. It is on its way until the guard is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>, to: WorkspaceId, id: &str, source: Option<WorkspaceId>, hop: u32) -> InFlight {
        let flight = Flight { id: id.to_owned(), source, hop, task_id: None };
        self.state().to.entry(to).or_default().push(flight);
        InFlight { flights: Arc::clone(self), to, id: id.to_owned() }
    }

    /// How many are on their way to `to`.
    #[must_use]
    pub fn count(&self, to: WorkspaceId) -> usize {
        self.state().to.get(&to).map_or(0, Vec::len)
    }

    /// Waits until nothing is on its way to `to`.
    pub async fn quiet(&self, to: WorkspaceId) {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Listening before looking: none is missed in between.
            freed.as_mut().enable();
            if self.count(to) == 0 {
                return;
            }
            freed.await;
        }
    }

    /// Those on their way to `to`, with the agent's task where it said one.
    #[must_use]
    pub fn tasks(&self, to: WorkspaceId) -> HashMap<String, Option<String>> {
        let state = self.state();
        state.to.get(&to).into_iter().flatten().map(|flight| (flight.id.clone(), flight.task_id.clone())).collect()
    }

    /// Whether the message with this row is on its way.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.state().to.values().flatten().any(|flight| flight.id == id)
    }

    /// Lets a paused pair talk again. `false`: it was not paused.
    pub fn lift(&self, a: WorkspaceId, b: WorkspaceId) -> bool {
        let paused = self.state().pairs.remove(&sorted(a, b));
        paused.and_then(|pair| pair.paused_until).is_some_and(|until| until > Instant::now())
    }
}

impl Pair {
    /// One more alternation. `true`: that is a loop, and the pair is paused.
    fn alternate(&mut self, now: Instant, text: u64) -> bool {
        while self.alternations.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.alternations.pop_front();
        }
        self.alternations.push_back((now, text));
        let same = self.alternations.iter().filter(|(_, seen)| *seen == text).count();
        let looped = self.alternations.len() > MOST_ALTERNATIONS || same >= SAME_TEXT;
        if looped {
            self.alternations.clear();
            self.paused_until = Some(now + WINDOW);
        }
        looped
    }
}

/// A message on its way.
pub struct InFlight {
    flights: Arc<Flights>,
    to: WorkspaceId,
    id: String,
}

impl InFlight {
    /// The agent named the task it made of it.
    pub fn set_task(&self, task_id: &str) {
        let mut state = self.flights.state();
        let flights = state.to.get_mut(&self.to).into_iter().flatten();
        flights.filter(|flight| flight.id == self.id).for_each(|flight| flight.task_id = Some(task_id.to_owned()));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.flights.state();
        if let Some(flights) = state.to.get_mut(&self.to) {
            flights.retain(|flight| flight.id != self.id);
            if flights.is_empty() {
                state.to.remove(&self.to);
                self.flights.freed.notify_waiters();
            }
        }
        // Pairs that have been quiet are forgotten where there is nothing else to do.
        if state.to.is_empty() {
            let now = Instant::now();
            state.pairs.retain(|_, pair| {
                pair.paused_until.is_some_and(|until| until > now)
                    || pair.alternations.back().is_some_and(|(at, _)| now.duration_since(*at) < WINDOW)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use molecule_model::WorkspaceId;
    use tokio::time::advance;

    use super::{Flights, InFlight, MOST_HOPS, Verdict, WINDOW};

    fn ids<const N: usize>() -> [WorkspaceId; N] {
        std::array::from_fn(|_| WorkspaceId::random())
    }

    fn begin(flights: &Arc<Flights>, from: Option<WorkspaceId>, to: WorkspaceId, hop: u32) -> InFlight {
        flights.begin(to, &molecule_model::id::fresh(), from, hop)
    }

    #[tokio::test(start_paused = true)]
    async fn r21_nested_messages_end_after_sixteen_hops() {
        let flights = Arc::new(Flights::default());
        let ring: [WorkspaceId; 3] = ids();
        let mut open = vec![begin(&flights, None, ring[0], 0)];
        for hop in 1..=MOST_HOPS {
            let at = usize::try_from(hop).unwrap();
            let (from, to) = (ring[(at - 1) % 3], ring[at % 3]);
            assert_eq!(flights.judge(from, to, || unreachable!("a ring of three answers nobody")), Verdict::Hop(hop));
            open.push(begin(&flights, Some(from), to, hop));
        }
        assert_eq!(flights.judge(ring[1], ring[2], String::new), Verdict::TooManyHops);
        drop(open);
        assert_eq!(flights.judge(ring[1], ring[2], String::new), Verdict::Hop(1));
        assert_eq!(flights.count(ring[0]), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn r21_only_answers_to_answers_trip_the_rate() {
        let flights = Arc::new(Flights::default());
        let [a, b] = ids();
        // One-way traffic, however fast or equal.
        for _ in 0..10_000 {
            assert_eq!(flights.judge(a, b, || unreachable!()), Verdict::Hop(1));
            drop(begin(&flights, Some(a), b, 1));
        }
        // Thirty different answers a minute are a conversation, the next is not.
        for n in 0..30 {
            let asked = begin(&flights, Some(a), b, 1);
            assert_eq!(flights.judge(b, a, || format!("answer {n}")), Verdict::Hop(2), "{n}");
            drop(asked);
        }
        let _asked = begin(&flights, Some(a), b, 1);
        assert_eq!(flights.judge(b, a, || "one more".into()), Verdict::Paused { left: WINDOW, now: true });
        advance(Duration::from_secs(20)).await;
        assert_eq!(flights.judge(a, b, String::new), Verdict::Paused { left: Duration::from_secs(40), now: false });
        let [c] = ids();
        assert_eq!(flights.judge(b, c, String::new), Verdict::Hop(2), "others are not paused");
        assert!(flights.lift(b, a) && !flights.lift(a, b));
        assert_eq!(flights.judge(a, b, String::new), Verdict::Hop(1));
    }

    #[tokio::test(start_paused = true)]
    async fn r21_the_same_text_three_times_is_a_loop() {
        let flights = Arc::new(Flights::default());
        let [a, b] = ids();
        let _asked = begin(&flights, Some(a), b, 1);
        for n in 1..=3 {
            let verdict = flights.judge(b, a, || "ping".into());
            assert_eq!(matches!(verdict, Verdict::Paused { now: true, .. }), n == 3, "{n}");
        }
        advance(WINDOW).await;
        assert_eq!(flights.judge(b, a, || "ping".into()), Verdict::Hop(2), "a minute later it is forgiven");
    }

    #[tokio::test(start_paused = true)]
    async fn r108_what_is_in_flight_is_counted_and_knows_its_task() {
        let flights = Arc::new(Flights::default());
        let [a] = ids();
        let one = begin(&flights, None, a, 0);
        one.set_task("t1");
        assert_eq!(
            (flights.count(a), flights.tasks(a).get(one.id.as_str()).cloned().flatten()),
            (1, Some("t1".into()))
        );
        assert!(flights.contains(one.id.as_str()));
        drop(one);
        assert_eq!(flights.count(a), 0);
    }
}
