//! Everything that is decided about a message before it leaves, in the contract's order, in one transaction that
//! also writes what must be on disk first (S125, R-47): hierarchy, budget, loop guard, poll mode, address.
//!
//! Hot path: what may leave at once is decided from memory, and all else where the rows are at hand, in the writer.

use std::sync::{Arc, atomic::Ordering};

use molecule_model::{Status, WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_store::{
    Result as StoreResult, Store, Tx,
    activity::{self, NewActivity},
    inflight::{self, Addressee, NewInflight},
    outbox::NewEvent,
    queue::is_behind,
    rusqlite::Connection,
};

use super::{
    Job, Sender,
    flights::{MOST_HOPS, Verdict},
    queue::{self, Waiting},
};
use crate::{
    activity::logged,
    registry::{AddressRefused, AddressRules, may_communicate, related},
};

/// What was decided.
#[derive(Debug)]
pub enum Admission {
    /// The hierarchy forbids it.
    Forbidden,
    /// The target's budget is used up.
    OverBudget,
    /// There is no such workspace.
    NotFound,
    /// The loop guard stops it; its row is written.
    Looping(Verdict),
    /// Written for a poll-mode workspace; the row's `seq`.
    Accepted(i64),
    /// An earlier message of the same pair waits: it goes behind that one, and the row's `seq`.
    Behind(Waiting, i64),
    /// The target sleeps.
    Asleep,
    /// The target has no address.
    NoUrl(Status),
    /// The target's address is not allowed.
    Unsafe(AddressRefused),
    /// It may leave; what must be on disk is.
    Go(Arc<Addressee>),
}

/// The first two checks alone, for a body that is refused anyway (10 §9.1 steps 6, 7).
///
/// # Errors
/// When the tables cannot be read.
pub fn check(conn: &Connection, from: Option<WorkspaceId>, target: WorkspaceId) -> StoreResult<Option<Admission>> {
    if let Some(from) = from
        && !may_communicate(conn, from, target)?
    {
        return Ok(Some(Admission::Forbidden));
    }
    let found = inflight::addressee(conn, target)?;
    Ok(found.filter(over_budget).map(|_| Admission::OverBudget))
}

fn over_budget(to: &Addressee) -> bool {
    to.budget_limit.is_some_and(|limit| to.monthly_spend >= limit)
}

/// Decides. With `quiet` the event of a row waits for the reply.
///
/// # Errors
/// When the rows cannot be written.
pub fn admit(
    tx: &mut Tx<'_>,
    job: &Job,
    rules: &AddressRules,
    verdict: Verdict,
    quiet: bool,
) -> StoreResult<Admission> {
    let target = job.target;
    let related = match job.sender.workspace() {
        Some(from) => may_communicate(tx, from, target)?,
        None => true,
    };
    let to = if related { inflight::addressee(tx, target)? } else { None };
    let behind = || is_behind(tx, target, job.sender.workspace());
    let to = match judge(job, rules, verdict, related, to.map(Arc::new), behind)? {
        Judged::Decided(admission) => return Ok(admission),
        Judged::Loops(to) => {
            if !matches!(verdict, Verdict::Paused { now: false, .. }) {
                log_loop(tx, job, &to, verdict)?;
            }
            return Ok(Admission::Looping(verdict));
        }
        Judged::Fetched(to) => return accept(tx, job, &to, quiet).map(Admission::Accepted),
        Judged::Behind(to) => return behind_it(tx, job, &to, quiet),
        Judged::Go(to) => to,
    };
    if job.is_kept() {
        note(tx, job)?;
    }
    Ok(Admission::Go(to))
}

/// Notes that a message is on its way: what a crash leaves of it.
///
/// # Errors
/// When the row cannot be written.
pub fn note(tx: &mut Tx<'_>, job: &Job) -> StoreResult<()> {
    let new = NewInflight {
        id: &job.id,
        workspace: job.target,
        source_id: job.sender.source_id(),
        method: &job.message.method,
        message_id: job.message.message_id.as_deref(),
        request_body: job.request(),
    };
    inflight::insert(tx, &new)?;
    job.noted.store(true, Ordering::Release);
    Ok(())
}

/// What the rules say of a message, before anything is written.
enum Judged {
    /// Nothing has to be written.
    Decided(Admission),
    Loops(Arc<Addressee>),
    Fetched(Arc<Addressee>),
    Behind(Arc<Addressee>),
    Go(Arc<Addressee>),
}

/// The rules in the contract's order (S125). `behind` says whether an earlier message of the same pair waits.
fn judge(
    job: &Job,
    rules: &AddressRules,
    verdict: Verdict,
    related: bool,
    to: Option<Arc<Addressee>>,
    behind: impl FnOnce() -> StoreResult<bool>,
) -> StoreResult<Judged> {
    if !related {
        return Ok(Judged::Decided(Admission::Forbidden));
    }
    let Some(to) = to else { return Ok(Judged::Decided(Admission::NotFound)) };
    if over_budget(&to) {
        return Ok(Judged::Decided(Admission::OverBudget));
    }
    if !matches!(verdict, Verdict::Hop(_)) {
        return Ok(Judged::Loops(to));
    }
    if to.delivery_mode == DeliveryMode::Poll {
        return Ok(Judged::Fetched(to));
    }
    // One that is just being put to sleep is not sent anything more: the sender comes again and wakes it.
    if to.status == Status::Hibernating || (to.url.is_empty() && to.status == Status::Hibernated) {
        return Ok(Judged::Decided(Admission::Asleep));
    }
    if to.url.is_empty() {
        return Ok(Judged::Decided(Admission::NoUrl(to.status)));
    }
    if let Err(refused) = rules.check_text(&to.url) {
        return Ok(Judged::Decided(Admission::Unsafe(refused)));
    }
    Ok(if job.queues && behind()? { Judged::Behind(to) } else { Judged::Go(to) })
}

/// The same decision from what is known in memory, for the one case that writes nothing: an agent's message that may
/// leave at once. `None`: the writer decides. What the person says is always on disk before it leaves.
///
/// # Errors
/// When the tables cannot be read.
pub async fn quick(
    store: &Store,
    job: &Job,
    rules: &AddressRules,
    verdict: Verdict,
) -> StoreResult<Option<Arc<Addressee>>> {
    if job.sender == Sender::Canvas || store.is_full() {
        return Ok(None);
    }
    let related = match job.sender.workspace() {
        Some(from) => related(store, from, job.target).await?,
        None => true,
    };
    let to = store.entry(job.target).await?.and_then(|entry| entry.addressee.clone());
    let quiet = !job.queues || store.queue_is_empty().await?;
    Ok(match judge(job, rules, verdict, related, to, || Ok(!quiet))? {
        Judged::Go(to) => Some(to),
        _ => None,
    })
}

/// The row is the delivery (10 §9.4, O-8): always written, committed before the 200.
fn accept(tx: &mut Tx<'_>, job: &Job, to: &Addressee, quiet: bool) -> StoreResult<i64> {
    let row =
        NewActivity { summary: Some(format!("{} → {} (queued for poll)", job.message.method, to.name)), ..job.row() };
    let seq = activity::insert(tx, &row)?;
    if !quiet {
        tx.emit(NewEvent::mirror(EventKind::ActivityLogged, job.target, logged(&row), seq))?;
    }
    if let Some(from) = job.sender.workspace() {
        inflight::note_outbound(tx, from)?;
    }
    Ok(seq)
}

/// No message overtakes an earlier one of its pair: it waits with it, without an attempt.
fn behind_it(tx: &mut Tx<'_>, job: &Job, to: &Addressee, quiet: bool) -> StoreResult<Admission> {
    let waiting = queue::put(tx, job)?;
    let row = NewActivity {
        summary: Some(format!("{} → {} (queued behind earlier messages)", job.message.method, to.name)),
        status: "queued",
        ..job.row()
    };
    let seq = activity::insert(tx, &row)?;
    if !quiet {
        tx.emit(NewEvent::mirror(EventKind::ActivityLogged, job.target, logged(&row), seq))?;
    }
    Ok(Admission::Behind(waiting, seq))
}

fn log_loop(tx: &mut Tx<'_>, job: &Job, to: &Addressee, verdict: Verdict) -> StoreResult<()> {
    let detail = loop_text(verdict);
    let row = NewActivity {
        summary: Some(format!("A2A request to {} failed: {detail}", to.name)),
        status: "error",
        error_detail: Some(detail),
        ..job.row()
    };
    let seq = activity::insert(tx, &row)?;
    tx.emit(NewEvent::mirror(EventKind::ActivityLogged, job.target, logged(&row), seq)).map(drop)
}

/// What the loop guard says, for people.
#[must_use]
pub fn loop_text(verdict: Verdict) -> String {
    match verdict {
        Verdict::Hop(_) => String::new(),
        Verdict::TooManyHops => {
            format!("these agents keep passing one task around: more than {MOST_HOPS} messages caused each other")
        }
        Verdict::Paused { left, .. } => {
            format!("these two agents only answer each other: paused for {} s", left.as_secs().max(1))
        }
    }
}
