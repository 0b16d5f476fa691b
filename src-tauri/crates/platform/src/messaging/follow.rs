//! Tasks that an agent answers with before they are done, although it was asked to wait: some do. What a delegation is
//! told is the task's end and not its beginning, so the agent is asked how it stands until it is done (`tasks/get`).

use std::time::Duration;

use bytes::Bytes;
use molecule_a2a::{Answer, normalise, wire::TaskState};
use molecule_model::{WorkspaceId, id};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Delivered, Delivery, INTERRUPTED, Options, Sender, deliver};
use crate::{App, AppResult};

/// Before the first question; the pause doubles.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15);
/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(60);
/// An agent that cannot be asked: "method not found", "unsupported operation".
const CANNOT: [i64; 2] = [-32601, -32004];

/// What is said of a task that took too long.
pub(super) const LATE: &str = "no answer within 30 minutes";
const LOST: &str = "the agent that works on it cannot be reached any more";

/// The task's last word, where `body` is a task that is still being worked on; else `body` itself. Where none comes
/// until `until`, an answer that says so.
pub(super) async fn to_the_end(app: &App, from: WorkspaceId, to: WorkspaceId, body: Bytes, until: Instant) -> Bytes {
    let Some(task) = unfinished(&body) else { return body };
    tracing::info!(workspace_id = %to, "an agent answered with a task that it works on");
    let (mut pause, mut heard, mut answers) = (FIRST, Instant::now(), false);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.tasks.stopping().cancelled_owned() => return failure(INTERRUPTED),
        }
        pause = (pause * 2).min(LONGEST);
        if Instant::now() >= until {
            return failure(LATE);
        }
        match ask(app, from, to, &task).await {
            Ok(Some(said)) => {
                let error = Answer::parse(&said).and_then(|answer| answer.error());
                if !answers && error.is_some_and(|error| CANNOT.contains(&error.code)) {
                    return body;
                }
                if unfinished(&said).is_none() {
                    return said;
                }
                (heard, answers) = (Instant::now(), true);
            }
            // Whoever does not know the question said all that there is.
            Err(error) if !answers && error.status().is_client_error() => return body,
            Ok(None) => return body,
            Err(_) if heard.elapsed() >= app.config.a2a_idle => return failure(LOST),
            Err(_) => {}
        }
    }
}

/// The id of a task that is not done. One that waits for somebody has said what it has to say.
fn unfinished(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let result = body.get("result")?;
    let task = result.get("task").filter(|task| task.is_object()).unwrap_or(result);
    let state = TaskState::parse(task.pointer("/status/state")?.as_str()?)?;
    let open = matches!(state, TaskState::Submitted | TaskState::Working);
    task.get("id")?.as_str().filter(|id| open && !id.is_empty()).map(str::to_owned)
}

/// How the task stands; nothing where the agent is not asked that way any more.
async fn ask(app: &App, from: WorkspaceId, to: WorkspaceId, task: &str) -> AppResult<Option<Bytes>> {
    let question = json!({"method": "tasks/get", "params": {"id": task}});
    let Ok(message) = normalise(question.to_string().as_bytes(), &mut id::fresh) else { return Ok(None) };
    let options = Options { log: false, timeout: Some(QUESTION), ..Options::default() };
    let delivery = Delivery { sender: Sender::Workspace(from), target: to, message, options };
    Ok(match deliver(app, delivery).await? {
        Delivered::Answered { body, .. } => Some(body),
        _ => None,
    })
}

/// As an agent would say it.
fn failure(why: &str) -> Bytes {
    json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": why}}).to_string().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unfinished;

    #[test]
    fn what_is_a_task_that_is_worked_on() {
        let of = |result: serde_json::Value| unfinished(json!({"result": result}).to_string().as_bytes());
        for state in ["submitted", "working", "TASK_STATE_WORKING"] {
            let task = json!({"id": "t", "status": {"state": state}});
            assert_eq!(of(task.clone()).as_deref(), Some("t"));
            assert_eq!(of(json!({"task": task})).as_deref(), Some("t"));
        }
        for state in ["completed", "failed", "canceled", "rejected", "input-required", "auth-required", "odd"] {
            assert_eq!(of(json!({"id": "t", "status": {"state": state}})), None, "{state}");
        }
        for odd in [json!("text"), json!({"status": "working", "id": "t"}), json!({"status": {"state": "working"}})] {
            assert_eq!(of(odd), None);
        }
        assert_eq!(unfinished(b"no json"), None);
    }
}
