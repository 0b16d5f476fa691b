//! A task whose reply somebody waits for (10 §16.3 `delegate_task`).
//!
//! In time it is a message like any other and leaves no delegation. Where the wait ends first, or the message was
//! only queued, the work goes on as a delegation, so that its reply is not lost and nothing is sent twice.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use molecule_model::{WorkspaceId, id};
use molecule_store::delegations::{self, Request};
use tokio::sync::oneshot;

use super::delegation::{self, Came, Running};
use crate::{App, AppError, AppResult};

/// How far a task came while somebody waited.
#[derive(Debug)]
pub enum Asked {
    /// The agent's whole answer.
    Replied(Bytes),
    /// The target gets it later; the id of the delegation.
    Queued(String),
    /// The target still works on it; the id of the delegation.
    Working(String),
}

/// Hands `task` to another agent and waits for the reply for as long as `patience`.
///
/// # Errors
/// What the door says (10 §9.1); 400 for a task to oneself.
pub async fn ask(app: &App, from: WorkspaceId, to: WorkspaceId, task: String, patience: Duration) -> AppResult<Asked> {
    delegation::not_to_oneself(from, to)?;
    let request =
        Arc::new(Request { from, to, task, delegation_id: id::fresh(), idempotency_key: None, recorded: false });
    let (reply, answer) = oneshot::channel();
    let worker = Arc::clone(app);
    app.tasks.detach("ask", async move { run(&worker, &request, patience, reply).await });
    answer.await.unwrap_or_else(|_| Err(AppError::internal("failed to deliver the message", &"the task ended")))
}

async fn run(app: &App, request: &Arc<Request>, patience: Duration, reply: oneshot::Sender<AppResult<Asked>>) {
    let _running = Running::begin(app, &request.delegation_id);
    let mut attempts = Box::pin(delegation::attempts(app, request));
    let early = tokio::time::timeout(patience, &mut attempts).await;
    let id = || request.delegation_id.clone();
    // Whoever asked may have gone; what was written stays true.
    match early {
        Ok(Ok(Came::Answered(body))) => drop(reply.send(Ok(Asked::Replied(body)))),
        Ok(Ok(Came::Queued)) => {
            keep(app, request).await;
            delegation::end(app, request, Ok(Came::Queued)).await;
            drop(reply.send(Ok(Asked::Queued(id()))));
        }
        Ok(Ok(Came::Streamed)) => {
            drop(reply.send(Err(AppError::internal(delegation::STREAMED, &"no stream was asked for"))))
        }
        Ok(Err(error)) => drop(reply.send(Err(error))),
        Err(_) => {
            keep(app, request).await;
            drop(reply.send(Ok(Asked::Working(id()))));
            let outcome = attempts.await;
            delegation::end(app, request, outcome).await;
        }
    }
}

/// Makes a delegation of what was a message so far.
async fn keep(app: &App, request: &Arc<Request>) {
    delegation::write(app, request, |tx, request| {
        // What waited in the queue may have come back already, and then is one.
        if delegations::exists(tx, request.from, &request.delegation_id)? {
            return Ok(());
        }
        delegations::insert(tx, request)?;
        delegation::sent(tx, request)?;
        delegation::dispatched(tx, request)
    })
    .await;
}
