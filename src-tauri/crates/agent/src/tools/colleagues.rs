//! Working with colleagues: asking them, handing work over, seeing how far it is.

use serde_json::{Value, json};

use super::{Done, Failed, Outcome, Scope, text};
use crate::models::ToolCall;
use crate::platform::{Letter, Peer, Sent};

/// Whom a call is for.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub id: String,
    pub name: String,
}

/// The colleague that a call names by id or by name; `None` for tools that are for nobody.
pub(super) async fn target(scope: &Scope, call: &ToolCall) -> Option<Target> {
    if !matches!(call.name.as_str(), "delegate_task" | "delegate_task_async") {
        return None;
    }
    let wanted = call.input.get("workspace_id")?.as_str()?.trim();
    if let Some(known) = find(scope.turn.peers(&scope.agent).await, wanted) {
        return Some(known);
    }
    // Somebody who came since the turn began; or one further away, whom the list does not name.
    let now = scope.agent.platform.peers().await.unwrap_or_default();
    let unlisted =
        || uuid::Uuid::try_parse(wanted).is_ok().then(|| Target { id: wanted.to_owned(), name: wanted.to_owned() });
    find(&now, wanted).or_else(unlisted)
}

fn find(peers: &[Peer], wanted: &str) -> Option<Target> {
    let target = |peer: &Peer| Target { id: peer.id.clone(), name: peer.name.clone() };
    let by_id = peers.iter().find(|peer| peer.id == wanted);
    by_id.or_else(|| peers.iter().find(|peer| peer.name.eq_ignore_ascii_case(wanted))).map(target)
}

fn known(target: Option<&Target>) -> Result<&Target, Failed> {
    target.ok_or_else(|| Failed("there is no colleague of that id or name; list_peers shows whom you may ask".into()))
}

/// Hands a task over and waits for the answer.
pub(super) async fn delegate(scope: &Scope, call: &ToolCall, target: Option<&Target>) -> Outcome {
    let (target, task) = (known(target)?, text(call, "task")?);
    let letter = Letter {
        message_id: uuid::Uuid::new_v4().to_string(),
        target_id: target.id.clone(),
        target_name: target.name.clone(),
        text: task.to_owned(),
        context_id: scope.turn.context_id().to_owned(),
        parent_task_id: scope.turn.id().to_owned(),
    };
    let platform = &scope.agent.platform;
    let request = platform.request_of(&letter);
    platform.log_sent(Sent { target_id: &letter.target_id, target_name: &letter.target_name, request: &request }).await;
    let _out = scope.turn.letter_out(&letter);
    let _shown = scope.agent.presence.waiting(&format!("Waiting for {}", target.name));
    let timing = &scope.agent.config.timing;
    let answer = platform.deliver(&letter, timing.delegation, timing.delegation_retry).await?;
    Ok(answer.into())
}

/// Hands a task to the platform, which carries it out.
pub(super) async fn delegate_later(scope: &Scope, call: &ToolCall, target: Option<&Target>) -> Outcome {
    let (target, task) = (known(target)?, text(call, "task")?);
    let key = format!("{}:{}", scope.turn.id(), call.id);
    let id = scope.agent.platform.delegate(&target.id, task, &key).await?;
    Ok(Done {
        text: format!("{} has the task. Its id is {id}.", target.name),
        data: json!({"task_id": id, "target_id": target.id}),
    })
}

/// How far a task is.
pub(super) async fn status(scope: &Scope, call: &ToolCall) -> Outcome {
    let id = text(call, "task_id")?;
    let all = scope.agent.platform.delegations().await?;
    let Some(found) = all.into_iter().find(|each| each.id == id) else {
        return Ok("There is no task of this id, or not yet.".into());
    };
    let rest = if found.error.is_empty() { found.answer } else { found.error };
    Ok(Done {
        text: format!("{}{}{rest}", found.status, if rest.is_empty() { "" } else { ": " }),
        data: json!({"status": found.status, "target_id": found.target_id}),
    })
}

/// Whom this agent may talk to.
pub(super) async fn list(scope: &Scope) -> Outcome {
    let peers = scope.agent.platform.peers().await?;
    if peers.is_empty() {
        return Ok("No peers found.".into());
    }
    let rows: Vec<Value> = peers
        .iter()
        .map(|peer| json!({"id": peer.id, "name": peer.name, "role": peer.role, "status": peer.status, "relation": peer.relation.as_str()}))
        .collect();
    let text = serde_json::to_string_pretty(&rows)?;
    Ok(Done { text, data: json!(rows) })
}
