//! Everything that is decided about a message before it leaves, in the contract's order, in one transaction that
//! also writes what must be on disk first (S125, R-47): hierarchy, budget, loop guard, poll mode, address.
//!
//! Hot path: the writer has the rows at hand, so no read goes before it.

use molecule_model::{Status, WorkspaceId, event::EventKind, wire::DeliveryMode};
use molecule_store::{
    Result as StoreResult, Tx,
    activity::{self, NewActivity},
    inflight::{self, Addressee, NewInflight},
    outbox::NewEvent,
    queue::is_behind,
    rusqlite::Connection,
};

use super::{
    Job,
    flights::{MOST_HOPS, Verdict},
    queue::{self, Waiting},
};
use crate::{
    activity::logged,
    registry::{AddressRefused, AddressRules, may_communicate},
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
    Go(Addressee),
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
    if let Some(from) = job.sender.workspace()
        && !may_communicate(tx, from, target)?
    {
        return Ok(Admission::Forbidden);
    }
    let Some(to) = inflight::addressee(tx, target)? else { return Ok(Admission::NotFound) };
    if over_budget(&to) {
        return Ok(Admission::OverBudget);
    }
    if !matches!(verdict, Verdict::Hop(_)) {
        if !matches!(verdict, Verdict::Paused { now: false, .. }) {
            log_loop(tx, job, &to, verdict)?;
        }
        return Ok(Admission::Looping(verdict));
    }
    if to.delivery_mode == DeliveryMode::Poll {
        return accept(tx, job, &to, quiet).map(Admission::Accepted);
    }
    // One that is just being put to sleep is not sent anything more: the sender comes again and wakes it.
    if to.status == Status::Hibernating || (to.url.is_empty() && to.status == Status::Hibernated) {
        return Ok(Admission::Asleep);
    }
    if to.url.is_empty() {
        return Ok(Admission::NoUrl(to.status));
    }
    if let Err(refused) = rules.check_text(&to.url) {
        return Ok(Admission::Unsafe(refused));
    }
    if job.queues && is_behind(tx, target, job.sender.workspace())? {
        return behind(tx, job, &to, quiet);
    }
    if job.is_kept() {
        inflight::insert(
            tx,
            &NewInflight {
                id: &job.id,
                workspace: target,
                source_id: job.sender.source_id(),
                method: &job.message.method,
                message_id: job.message.message_id.as_deref(),
                request_body: job.request(),
            },
        )?;
    }
    Ok(Admission::Go(to))
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
fn behind(tx: &mut Tx<'_>, job: &Job, to: &Addressee, quiet: bool) -> StoreResult<Admission> {
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
