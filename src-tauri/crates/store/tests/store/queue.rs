//! The busy queue's rows: accepted once, claimed by one, in the order of their pair (10 §10).

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::{
    Result, Store, Tx,
    queue::{
        self, Claim, Claimed, LEASE, MOST_ATTEMPTS, NewItem, Occasion, Outcome, PRIORITY, Settled, Waiting, claim,
        enqueue, settle,
    },
    rusqlite::Connection,
};
use proptest::prelude::*;

use super::bed::{Bed, insert};

fn message(workspace: WorkspaceId, caller: Option<WorkspaceId>) -> NewItem<'static> {
    NewItem {
        workspace,
        caller,
        body: r#"{"params":{}}"#,
        method: "message/send",
        message_id: None,
        expires_in_seconds: None,
        version: None,
        hop: 0,
        priority: PRIORITY,
    }
}

/// Room for as many as anybody wants.
fn roomy(tx: &mut Tx<'_>, id: WorkspaceId) -> Result<()> {
    insert(tx, id)?;
    tx.execute("UPDATE workspaces SET max_concurrent_tasks = 1000 WHERE id = ?1", [id.to_string()])?;
    Ok(())
}

async fn status(store: &Store, id: &str) -> (String, i64, Option<String>) {
    let id = id.to_owned();
    let item = store.read(move |conn| queue::item(conn, &id)).await.unwrap().unwrap();
    (item.status, item.attempts, item.last_error)
}

async fn take(store: &Store, id: WorkspaceId) -> Option<Claimed> {
    store.write(move |tx| claim(tx, id, Occasion::Heartbeat, 1)).await.unwrap().pop()
}

async fn end(store: &Store, claim: &Claim, outcome: Outcome) -> Settled {
    let claim = claim.clone();
    store.write(move |tx| settle(tx, &claim, &outcome)).await.unwrap()
}

#[tokio::test]
async fn s148_the_same_message_twice_is_one_row() {
    let bed = Bed::new();
    let (to, a, b) = (bed.workspace().await, WorkspaceId::random(), WorkspaceId::random());
    let put = |message_id: Option<&'static str>, caller: Option<WorkspaceId>| {
        let store = bed.store.clone();
        async move { store.write(move |tx| enqueue(tx, &NewItem { message_id, ..message(to, caller) })).await.unwrap() }
    };
    let first = put(Some("m1"), Some(a)).await;
    assert_eq!(first.depth, 1);
    assert_eq!(put(Some("m1"), Some(a)).await, first, "while it waits");
    // Another sender's is another message, and what has no key is always one of its own.
    let theirs = put(Some("m1"), Some(b)).await;
    let persons = put(Some("m1"), None).await;
    assert_eq!(HashSet::from([&first.queue_id, &theirs.queue_id, &persons.queue_id]).len(), 3);
    for none in [None, Some("")] {
        assert_ne!(put(none, Some(a)).await.queue_id, put(none, Some(a)).await.queue_id);
    }
    let claimed = take(&bed.store, to).await.unwrap();
    assert_eq!(claimed.claim.id, first.queue_id);
    assert_eq!(put(Some("m1"), Some(a)).await.queue_id, first.queue_id, "while it is on its way");
    assert_eq!(end(&bed.store, &claimed.claim, Outcome::Done).await, Settled::Completed);
    assert_ne!(put(Some("m1"), Some(a)).await.queue_id, first.queue_id, "what came to its end blocks nothing");
}

#[tokio::test]
async fn s149_s152_the_highest_priority_then_the_oldest_never_an_expired_one() {
    let bed = Bed::new();
    let to = bed.workspace().await;
    let callers: Vec<_> = (0..6).map(|_| WorkspaceId::random()).collect();
    let names: Vec<String> = bed
        .store
        .write(move |tx| {
            tx.execute("UPDATE workspaces SET max_concurrent_tasks = 9 WHERE id = ?1", [to.to_string()])?;
            let mut names = Vec::new();
            for (at, (priority, life)) in
                [(10, None), (50, Some(0)), (50, Some(1)), (100, None), (50, Some(u64::MAX)), (100, Some(60))]
                    .into_iter()
                    .enumerate()
            {
                let new = NewItem { priority, expires_in_seconds: life, ..message(to, Some(callers[at])) };
                names.push(enqueue(tx, &new)?.queue_id);
            }
            // The third has expired; zero and more than for ever mean never.
            let expiries: i64 =
                tx.query_row("SELECT count(*) FROM a2a_queue WHERE expires_at IS NULL", [], |row| row.get(0))?;
            assert_eq!(expiries, 4);
            tx.execute("UPDATE a2a_queue SET expires_at = ?1 WHERE id = ?2", [tx.now().to_string(), names[2].clone()])?;
            Ok(names)
        })
        .await
        .unwrap();
    let mut order = Vec::new();
    while let Some(claimed) = take(&bed.store, to).await {
        order.push(names.iter().position(|name| *name == claimed.claim.id).unwrap());
    }
    assert_eq!(order, [3, 5, 1, 4, 0]);
    assert_eq!(status(&bed.store, &names[2]).await.0, "queued", "expired ones stay as they are");
    let told = bed.store.write(queue::expired).await.unwrap();
    assert_eq!(told.iter().map(|ended| ended.id.as_str()).collect::<Vec<_>>(), [names[2].as_str()]);
    assert!(bed.store.write(queue::expired).await.unwrap().is_empty(), "told once");
    assert_eq!(status(&bed.store, &names[2]).await.0, "queued");
}

#[tokio::test]
async fn s149_concurrent_drains_never_claim_the_same_row() {
    let bed = Bed::new();
    let to = WorkspaceId::random();
    bed.store.write(move |tx| roomy(tx, to)).await.unwrap();
    for _ in 0..60 {
        bed.store.write(move |tx| enqueue(tx, &message(to, Some(WorkspaceId::random())))).await.unwrap();
    }
    let drains: Vec<_> = (0..8)
        .map(|_| {
            let store = bed.store.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(claimed) = take(&store, to).await {
                    mine.push(claimed.claim.id);
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for drain in drains {
        all.extend(drain.await.unwrap());
    }
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (60, 60));
}

#[tokio::test]
async fn r108_an_agent_is_given_no_more_than_it_takes() {
    let bed = Bed::new();
    let to = bed.workspace().await;
    let busy = |tasks: i64, most: i64| {
        let store = bed.store.clone();
        async move {
            let sql = "UPDATE workspaces SET active_tasks = ?1, max_concurrent_tasks = ?2 WHERE id = ?3";
            store.write(move |tx| Ok(tx.execute(sql, (tasks, most, to.to_string())).map(drop)?)).await.unwrap();
        }
    };
    for _ in 0..4 {
        bed.store.write(move |tx| enqueue(tx, &message(to, Some(WorkspaceId::random())))).await.unwrap();
    }
    let claimed =
        async |occasion: Occasion| bed.store.write(move |tx| claim(tx, to, occasion, usize::MAX)).await.unwrap();
    busy(1, 1).await;
    assert!(claimed(Occasion::Heartbeat).await.is_empty() && claimed(Occasion::Ours).await.is_empty());
    busy(0, 1).await;
    let first = claimed(Occasion::Ours).await;
    assert_eq!(first.len(), 1);
    assert!(claimed(Occasion::Ours).await.is_empty(), "what we deliver counts for us");
    assert_eq!(claimed(Occasion::Heartbeat).await.len(), 1, "what it reports counts for its heartbeat");
    busy(2, 3).await;
    assert_eq!(end(&bed.store, &first[0].claim, Outcome::Done).await, Settled::Completed);
    assert_eq!(claimed(Occasion::Ours).await.len(), 1, "two it reports, one of them ours");
    bed.store
        .write(move |tx| {
            Ok(tx.execute("UPDATE workspaces SET status = 'removed' WHERE id = ?1", [to.to_string()]).map(drop)?)
        })
        .await
        .unwrap();
    assert!(take(&bed.store, to).await.is_none());
    let dropped = bed.store.write(queue::drop_of_removed).await.unwrap();
    assert_eq!(dropped.len(), 1, "three are done or claimed");
}

#[tokio::test]
async fn s150_o14_five_attempts_and_those_that_do_not_count() {
    let bed = Bed::new();
    let to = bed.workspace().await;
    let waiting: Waiting = bed.store.write(move |tx| enqueue(tx, &message(to, None))).await.unwrap();
    for attempt in 1..=MOST_ATTEMPTS {
        let busy = take(&bed.store, to).await.unwrap();
        assert_eq!(end(&bed.store, &busy.claim, Outcome::Again).await, Settled::Queued);
        let claimed = take(&bed.store, to).await.unwrap();
        assert_eq!(claimed.attempts, attempt);
        let settled = end(&bed.store, &claimed.claim, Outcome::Failed(format!("no {attempt}"))).await;
        assert_eq!(settled, if attempt == MOST_ATTEMPTS { Settled::Failed } else { Settled::Queued });
        let want = if attempt == MOST_ATTEMPTS { "failed" } else { "queued" };
        assert_eq!(status(&bed.store, &waiting.queue_id).await, (want.into(), attempt, Some(format!("no {attempt}"))));
    }
    assert!(take(&bed.store, to).await.is_none());
}

#[tokio::test]
async fn o23_a_late_writer_changes_nothing_and_a_lost_claim_comes_back() {
    let bed = Bed::new();
    let to = bed.workspace().await;
    let waiting = bed.store.write(move |tx| enqueue(tx, &message(to, None))).await.unwrap();
    let first = take(&bed.store, to).await.unwrap();
    let none = HashSet::new();
    let reclaim = |live: HashSet<String>| {
        let store = bed.store.clone();
        async move { store.write(move |tx| queue::reclaim_expired(tx, &live)).await.unwrap().0 }
    };
    assert_eq!(reclaim(none.clone()).await, 0, "its lease holds");
    bed.store
        .write(move |tx| {
            let past = tx.now().plus_seconds(-LEASE).to_string();
            Ok(tx.execute("UPDATE a2a_queue SET lease_until = ?1", [past]).map(drop)?)
        })
        .await
        .unwrap();
    assert_eq!(reclaim(HashSet::from([waiting.queue_id.clone()])).await, 0, "its holder lives");
    assert_eq!(reclaim(none).await, 1);
    let second = take(&bed.store, to).await.unwrap();
    assert!(second.claim.lease > first.claim.lease);
    for late in [Outcome::Done, Outcome::Again, Outcome::Failed("late".into())] {
        assert_eq!(end(&bed.store, &first.claim, late).await, Settled::Stale);
    }
    assert_eq!(status(&bed.store, &waiting.queue_id).await.0, "dispatched");
    // A crash: what was claimed waits again, until it was tried too often.
    for attempts in 2..=MOST_ATTEMPTS {
        let (count, failed) = bed.store.write(queue::reclaim_all).await.unwrap();
        assert_eq!((count, failed.len()), (1, usize::from(attempts == MOST_ATTEMPTS)), "{attempts}");
        let again = take(&bed.store, to).await;
        assert_eq!(again.is_some(), attempts < MOST_ATTEMPTS);
    }
    assert_eq!(status(&bed.store, &waiting.queue_id).await.0, "failed");
    assert_eq!(end(&bed.store, &second.claim, Outcome::Done).await, Settled::Stale);
}

#[tokio::test]
async fn what_is_stale_is_dropped_with_a_note_and_what_is_over_goes_in_the_end() {
    let bed = Bed::new();
    let (a, b) = (bed.workspace().await, bed.workspace().await);
    let tried = bed.store.write(move |tx| enqueue(tx, &message(a, None))).await.unwrap().queue_id;
    let claimed = take(&bed.store, a).await.unwrap();
    end(&bed.store, &claimed.claim, Outcome::Failed("no".into())).await;
    let fresh = bed.store.write(move |tx| enqueue(tx, &message(b, None))).await.unwrap().queue_id;
    let drop_all = |workspace: Option<WorkspaceId>, seconds: i64| {
        let store = bed.store.clone();
        async move {
            let job =
                move |tx: &mut Tx<'_>| queue::drop_stale(tx, tx.now().plus_seconds(seconds), workspace, "too old");
            store.write(job).await.unwrap().len()
        }
    };
    assert_eq!(drop_all(None, -3_600).await, 0);
    assert_eq!(drop_all(Some(a), 1).await, 1);
    assert_eq!(status(&bed.store, &tried).await, ("dropped".into(), 1, Some("no; too old".into())));
    assert_eq!(drop_all(None, 1).await, 1);
    assert_eq!(status(&bed.store, &fresh).await, ("dropped".into(), 0, None), "no error stays no error");
    bed.store.read(depths_are_kept).await.unwrap();
    let prune = |cutoff: Timestamp| bed.store.write(move |tx| queue::prune(tx, cutoff));
    assert_eq!(prune(Timestamp::from_micros(0)).await.unwrap(), 0);
    assert_eq!(prune(Timestamp::from_micros(1_800_000_000_000_000)).await.unwrap(), 2);
}

/// What happens to a queue, in any order.
#[derive(Clone, Debug)]
enum Step {
    /// One more message of this pair: workspace, sender.
    Accept(usize, usize),
    Claim(usize, bool),
    /// The holder that came `n`th of those who hold something settles.
    Settle(usize, u8),
    /// A holder from before the last crash comes late.
    Late(usize, u8),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize, 0..3_usize).prop_map(|(to, from)| Step::Accept(to, from)),
        5 => (0..2_usize, any::<bool>()).prop_map(|(to, heartbeat)| Step::Claim(to, heartbeat)),
        5 => (0..8_usize, 0..3_u8).prop_map(|(nth, how)| Step::Settle(nth, how)),
        1 => (0..8_usize, 0..3_u8).prop_map(|(nth, how)| Step::Late(nth, how)),
        1 => Just(Step::Crash),
    ]
}

fn outcome(how: u8) -> Outcome {
    match how {
        0 => Outcome::Done,
        1 => Outcome::Again,
        _ => Outcome::Failed("no".into()),
    }
}

type Pair = (WorkspaceId, Option<WorkspaceId>);

#[derive(Default)]
struct Model {
    accepted: BTreeMap<Pair, Vec<String>>,
    over: BTreeMap<Pair, Vec<String>>,
    held: Vec<(Pair, Claim)>,
    lost: Vec<Claim>,
}

impl Model {
    fn claimed(&mut self, item: &Claimed) {
        let pair = (item.workspace, item.caller);
        assert!(!self.held.iter().any(|(_, claim)| claim.id == item.claim.id), "claimed twice");
        assert!(!self.held.iter().any(|(held, _)| *held == pair), "two of one pair on their way");
        let done = self.over.get(&pair).map_or(0, Vec::len);
        assert_eq!(self.accepted[&pair][done], item.claim.id, "out of order");
        self.held.push((pair, item.claim.clone()));
    }

    fn settled(&mut self, nth: usize, settled: Settled) {
        let (pair, claim) = self.held.remove(nth);
        assert_ne!(settled, Settled::Stale, "its own claim was refused");
        if settled != Settled::Queued {
            self.over.entry(pair).or_default().push(claim.id);
        }
    }
}

/// What is said to wait is what waits (10 §10.1).
fn depths_are_kept(conn: &Connection) -> Result<()> {
    let mut query = conn.prepare(
        "SELECT id, (SELECT count(*) FROM a2a_queue WHERE workspace_id = workspaces.id AND status = 'queued') FROM workspaces",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, counted): (String, i64) = (row.get(0)?, row.get(1)?);
        assert_eq!(queue::depth(conn, WorkspaceId::parse_loose(&id).unwrap())?, counted);
    }
    Ok(())
}

async fn play(steps: Vec<Step>) {
    let bed = Bed::new();
    let to = [WorkspaceId::random(), WorkspaceId::random()];
    let from = [None, Some(WorkspaceId::random()), Some(WorkspaceId::random())];
    bed.store.write(move |tx| to.into_iter().try_for_each(|id| roomy(tx, id))).await.unwrap();
    let mut model = Model::default();
    for step in steps {
        bed.store.read(depths_are_kept).await.unwrap();
        match step {
            Step::Accept(a, b) => {
                let pair = (to[a], from[b]);
                let put = bed.store.write(move |tx| enqueue(tx, &message(pair.0, pair.1))).await.unwrap();
                model.accepted.entry(pair).or_default().push(put.queue_id);
            }
            Step::Claim(a, heartbeat) => {
                let occasion = if heartbeat { Occasion::Heartbeat } else { Occasion::Ours };
                let id = to[a];
                let most = if heartbeat { 1 } else { usize::MAX };
                for item in bed.store.write(move |tx| claim(tx, id, occasion, most)).await.unwrap() {
                    model.claimed(&item);
                }
            }
            Step::Settle(nth, how) if !model.held.is_empty() => {
                let nth = nth % model.held.len();
                let settled = end(&bed.store, &model.held[nth].1, outcome(how)).await;
                model.settled(nth, settled);
            }
            Step::Late(nth, how) if !model.lost.is_empty() => {
                let claim = &model.lost[nth % model.lost.len()];
                assert_eq!(end(&bed.store, claim, outcome(how)).await, Settled::Stale);
            }
            Step::Settle(..) | Step::Late(..) => {}
            Step::Crash => {
                let (count, failed) = bed.store.write(queue::reclaim_all).await.unwrap();
                assert_eq!(count, model.held.len());
                for (pair, claim) in std::mem::take(&mut model.held) {
                    if failed.iter().any(|ended| ended.id == claim.id) {
                        model.over.entry(pair).or_default().push(claim.id.clone());
                    }
                    model.lost.push(claim);
                }
            }
        }
    }
    // In the end everything is delivered, once, in order: nothing is lost.
    loop {
        while !model.held.is_empty() {
            let settled = end(&bed.store, &model.held[0].1, Outcome::Done).await;
            model.settled(0, settled);
        }
        for id in to {
            if let Some(item) = take(&bed.store, id).await {
                model.claimed(&item);
            }
        }
        if model.held.is_empty() {
            break;
        }
    }
    assert_eq!(model.over, model.accepted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn none_is_lost_none_comes_twice_and_a_pair_keeps_its_order(steps in prop::collection::vec(step(), 0..60)) {
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
        runtime.block_on(play(steps));
    }
}
