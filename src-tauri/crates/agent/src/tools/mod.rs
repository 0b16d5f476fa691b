//! The tools of an agent: what a model may ask for, and how it is done.

mod colleagues;
mod command;
mod folder;
mod own;
mod specs;

use std::sync::Arc;

pub(crate) use colleagues::Target;
use futures_util::future::join_all;
use serde_json::{Value, json};
pub(crate) use specs::offered;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::models::{ToolCall, ToolResult};
use crate::turns::{Step, Turn};

/// Characters of a tool's input and output that others are shown (40 §10.5).
const INPUT_SHOWN: usize = 500;
const OUTPUT_SHOWN: usize = 300;

/// What a tool answers: words for the model, and the same for a script.
pub(crate) struct Done {
    pub text: String,
    pub data: Value,
}

impl From<String> for Done {
    fn from(text: String) -> Self {
        Self { text, data: Value::Null }
    }
}

impl From<&str> for Done {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Why a tool could not: words for the model.
pub(crate) struct Failed(pub String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

pub(crate) type Outcome = Result<Done, Failed>;

/// Where a tool works.
#[derive(Clone)]
pub(crate) struct Scope {
    pub agent: Arc<Agent>,
    pub turn: Arc<Turn>,
}

/// Whether a tool waits for somebody else, so that the turn gives its place up meanwhile.
pub(crate) fn waits(tool: &str) -> bool {
    matches!(tool, "delegate_task" | "ask_approval") || changes(tool)
}

/// Whether a tool changes something that a neighbour of the same round may rest on.
fn changes(tool: &str) -> bool {
    matches!(tool, "write_file" | "edit_file" | "run_command")
}

/// Runs the tools of one round: all at the same time, but changes one after the other in the order in which
/// the model asked for them.
pub(crate) async fn run_all(scope: &Scope, calls: Vec<ToolCall>) -> Vec<ToolResult> {
    let turnstile = tokio::sync::Mutex::new(());
    let running = calls.into_iter().map(|call| async {
        let _alone = if changes(&call.name) { Some(turnstile.lock().await) } else { None };
        run(scope, call).await
    });
    join_all(running).await
}

/// Runs one tool and shows its beginning and end to whoever watches the turn.
async fn run(scope: &Scope, call: ToolCall) -> ToolResult {
    let started = Instant::now();
    let target = colleagues::target(scope, &call).await;
    scope.turn.show_call(&call, target.as_ref());
    let outcome = dispatch(scope, &call, target.as_ref()).await;
    let (text, data, is_error) = match outcome {
        Ok(done) => (done.text, done.data, false),
        Err(Failed(text)) => (text, Value::Null, true),
    };
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let preview = molecule_model::preview::preview(&text, OUTPUT_SHOWN);
    scope.turn.show_end(Step {
        id: call.id.clone(),
        tool: call.name.clone(),
        input: shown_input(&call.input),
        output_preview: preview,
        is_error,
        elapsed_ms,
        target,
    });
    ToolResult { call_id: call.id, text, is_error, data }
}

async fn dispatch(scope: &Scope, call: &ToolCall, target: Option<&colleagues::Target>) -> Outcome {
    if !call.input.is_object() {
        return Err(Failed("the arguments are not a JSON object; write them again".into()));
    }
    match call.name.as_str() {
        "delegate_task" => colleagues::delegate(scope, call, target).await,
        "delegate_task_async" => colleagues::delegate_later(scope, call, target).await,
        "check_task_status" => colleagues::status(scope, call).await,
        "list_peers" => colleagues::list(scope).await,
        "send_message_to_user" => own::notify(scope, call).await,
        "commit_memory" => own::commit(scope, call).await,
        "recall_memory" => own::recall(scope, call).await,
        "ask_approval" => own::ask(scope, call).await,
        "read_file" => folder::read(scope, call),
        "list_files" => folder::list(scope, call),
        "search_files" => folder::search(scope, call).await,
        "write_file" => folder::write(scope, call).await,
        "edit_file" => folder::edit(scope, call).await,
        "run_command" => command::run(scope, call).await,
        other => Err(Failed(format!("there is no tool called {other}"))),
    }
}

/// The arguments as others are shown them: what looks like a secret is replaced, except in what names a place.
pub(crate) fn shown_input(input: &Value) -> String {
    let redacted = |text: &str| molecule_model::redact::redact(text).into_owned();
    let text = match input {
        Value::String(text) => redacted(text),
        Value::Object(members) => {
            let shown = members.iter().map(|(key, value)| match value {
                Value::String(text) if !matches!(key.as_str(), "path" | "cwd" | "pattern") => {
                    (key.clone(), redacted(text).into())
                }
                other => (key.clone(), other.clone()),
            });
            Value::Object(shown.collect()).to_string()
        }
        other => redacted(&other.to_string()),
    };
    molecule_model::preview::preview(&text, INPUT_SHOWN)
}

/// A text argument that must be there.
fn text<'a>(call: &'a ToolCall, key: &str) -> Result<&'a str, Failed> {
    optional(call, key).filter(|text| !text.trim().is_empty()).ok_or_else(|| Failed(format!("{key} is required")))
}

/// A text argument that may be there.
fn optional<'a>(call: &'a ToolCall, key: &str) -> Option<&'a str> {
    call.input.get(key).and_then(Value::as_str)
}

/// Asks the person and waits. `Ok`: approved.
async fn approved(scope: &Scope, action: String, reason: String, context: Value) -> Result<(), Failed> {
    scope
        .turn
        .ask(&scope.agent, action, reason, if context.is_null() { json!({}) } else { context })
        .await
        .map_err(Failed)
}
