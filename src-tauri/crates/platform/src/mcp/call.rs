//! What each tool does (10 §16.3, O-19, R-50). A failure's text is what the calling model reads.

use std::time::Duration;

use molecule_model::{WorkspaceId, wire::MemoryScope};
use molecule_store::{
    delegations,
    memories::{Reach, Text},
    registry, workspaces,
};
use serde_json::{Map, Value, json};

use super::tools;
use crate::{
    App, AppError, activity, memory,
    messaging::{self, Asked},
    registry::may_communicate,
};

/// How long `delegate_task` waits for the reply.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a reply is given back, bytes.
const MOST_REPLY: usize = 1024 * 1024;
/// Memories that one recall gives.
const MOST_MEMORIES: usize = 50;

type Arguments = Map<String, Value>;
type Said = Result<String, String>;

/// Runs the tool `name` as workspace `me`.
///
/// # Errors
/// The text that says why not.
pub async fn run(app: &App, me: WorkspaceId, name: &str, arguments: &Arguments) -> Said {
    match name {
        "list_peers" => list_peers(app, me).await,
        "get_workspace_info" => get_workspace_info(app, me).await,
        "delegate_task" => delegate_task(app, me, arguments).await,
        "delegate_task_async" => delegate_task_async(app, me, arguments).await,
        "check_task_status" => check_task_status(app, me, arguments).await,
        tools::SEND_MESSAGE => send_message_to_user(app, me, arguments).await,
        "commit_memory" => commit_memory(app, me, arguments).await,
        "recall_memory" => recall_memory(app, me, arguments).await,
        other => Err(format!("unknown tool: {other}")),
    }
}

/// A string argument; of another type it counts as absent.
fn text<'a>(arguments: &'a Arguments, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn required<'a>(arguments: &'a Arguments, name: &str) -> Result<&'a str, String> {
    let found = text(arguments, name);
    if found.is_empty() { Err(format!("{name} is required")) } else { Ok(found) }
}

fn told(error: impl Into<AppError>) -> String {
    error.into().text().to_owned()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

const NO_WORKSPACE: &str = "workspace not found";

async fn list_peers(app: &App, me: WorkspaceId) -> Said {
    let found = app.store.read(move |conn| registry::peers(conn, me)).await.map_err(told)?;
    let peers: Vec<Value> = found
        .ok_or(NO_WORKSPACE)?
        .into_iter()
        .map(|peer| {
            json!({"id": peer.id, "name": peer.name, "role": peer.role.unwrap_or_default(), "status": peer.status,
                "tier": peer.tier})
        })
        .collect();
    Ok(if peers.is_empty() { "No peers found.".into() } else { pretty(&Value::Array(peers)) })
}

async fn get_workspace_info(app: &App, me: WorkspaceId) -> Said {
    let row = app.store.read(move |conn| workspaces::get(conn, me)).await.map_err(told)?.ok_or(NO_WORKSPACE)?;
    let mut info = json!({"id": row.id, "name": row.name, "role": row.role.unwrap_or_default(), "tier": row.tier,
        "status": row.status});
    if let Some(parent) = row.parent_id {
        info["parent_id"] = json!(parent);
    }
    Ok(pretty(&info))
}

/// The colleague that a task is for, once the hierarchy allows it.
async fn colleague(app: &App, me: WorkspaceId, named: &str) -> Result<WorkspaceId, String> {
    let forbidden = || format!("workspace {me} is not authorised to communicate with {named}");
    let to = WorkspaceId::parse_loose(named).ok_or_else(forbidden)?;
    let allowed = app.store.read(move |conn| may_communicate(conn, me, to)).await.map_err(told)?;
    if allowed { Ok(to) } else { Err(forbidden()) }
}

async fn delegate_task(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    let (named, task) = (required(arguments, "workspace_id")?, required(arguments, "task")?);
    let to = colleague(app, me, named).await?;
    Ok(match messaging::ask(app, me, to, task.to_owned(), PATIENCE).await.map_err(told)? {
        Asked::Replied(body) => capped(molecule_a2a::reply::mcp_text(&body)),
        Asked::Queued(id) => format!(
            "The task is queued: {to} is busy now and gets it as soon as it is free. Do not send it again. \
             Call check_task_status with workspace_id {to} and task_id {id} for the reply."
        ),
        Asked::Working(id) => format!(
            "No reply within {} seconds; {to} goes on working. Do not send the task again. \
             Call check_task_status with workspace_id {to} and task_id {id} for the reply.",
            PATIENCE.as_secs()
        ),
    })
}

/// Cut on a character.
fn capped(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MOST_REPLY));
    text
}

async fn delegate_task_async(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    let (named, task) = (required(arguments, "workspace_id")?, required(arguments, "task")?);
    let to = colleague(app, me, named).await?;
    let begun = messaging::delegate(app, me, to, task.to_owned(), None).await.map_err(told)?;
    Ok(json!({"task_id": begun.delegation_id, "status": "dispatched", "target_id": to}).to_string())
}

async fn check_task_status(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    let (named, task) = (required(arguments, "workspace_id")?, required(arguments, "task_id")?);
    let (to, id) = (WorkspaceId::parse_loose(named), task.to_owned());
    let found = match to {
        Some(to) => app.store.read(move |conn| delegations::find(conn, me, to, &id)).await.map_err(told)?,
        None => None,
    };
    let Some(found) = found else {
        let note = "task not tracked or not yet dispatched";
        return Ok(json!({"task_id": task, "status": "not_found", "note": note}).to_string());
    };
    let mut answer = json!({"task_id": task, "status": found.status, "target_id": to});
    if let Some(error) = found.error {
        answer["error"] = json!(error);
    }
    if let Some(reply) = found.reply {
        answer["result"] = json!(capped(reply));
    }
    Ok(pretty(&answer))
}

async fn send_message_to_user(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    if !app.config.mcp_send_message {
        return Err("send_message_to_user is off here: MOLECULE_MCP_ALLOW_SEND_MESSAGE=true allows it".into());
    }
    let message = required(arguments, "message")?;
    activity::tell(app, me, message, Vec::new()).await.map_err(told)?;
    Ok("Message sent.".into())
}

/// The words for what the bridge never touches.
fn not_global(scope: &str) -> Result<(), String> {
    if scope == MemoryScope::Global.as_str() {
        return Err("GLOBAL scope is not permitted over MCP: use LOCAL or TEAM".into());
    }
    Ok(())
}

async fn commit_memory(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    let content = required(arguments, "content")?;
    let scope = match text(arguments, "scope") {
        "" => MemoryScope::Local.as_str(),
        scope => scope,
    };
    not_global(scope)?;
    let scope = MemoryScope::parse(scope).ok_or("scope must be LOCAL or TEAM")?;
    let id = memory::commit(app, me, content, scope, me.to_string()).await.map_err(told)?;
    Ok(json!({"id": id, "scope": scope}).to_string())
}

async fn recall_memory(app: &App, me: WorkspaceId, arguments: &Arguments) -> Said {
    let (query, scope) = (text(arguments, "query"), text(arguments, "scope"));
    not_global(scope)?;
    let reach = match MemoryScope::parse(scope) {
        Some(MemoryScope::Local) => Reach::Own(me, Some(MemoryScope::Local)),
        Some(MemoryScope::Team) => Reach::Team(me),
        _ => Reach::OwnNotGlobal(me),
    };
    let query = if query.is_empty() { Text::Any } else { Text::Substring(query.to_owned()) };
    let found = memory::recall(app, me, reach, query, None, MOST_MEMORIES).await.map_err(told)?;
    let facts: Vec<Value> = found
        .into_iter()
        .map(|fact| json!({"id": fact.id, "content": fact.content, "scope": fact.scope, "created_at": fact.created_at}))
        .collect();
    Ok(if facts.is_empty() { "No memories found.".into() } else { pretty(&Value::Array(facts)) })
}
