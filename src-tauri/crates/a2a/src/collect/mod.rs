//! Folding a stream into the one answer that is stored when it ends.
//!
//! What is kept: an error that ended it; else the message that a simple agent sent, or that a
//! LangGraph-like one sent last; else the last message of the task's status, where it says all that
//! the task made; else the task with its artifacts put together. So nothing that an agent said is
//! lost, and an agent whose last status repeats the reply is stored as if it had not streamed.

mod artifacts;

use serde_json::{Value, json};

use crate::{
    reply::{message_text, text_of},
    translate::{kind_of, unwrap, wrapper_of},
    version::Dialect,
    wire::{Members, TaskState},
};

/// A stream as one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// A JSON-RPC response in the dialect of the stream.
    pub body: Value,
    /// The last state that was told, if any was.
    pub state: Option<TaskState>,
    /// The stream came to its end: a message, an end state, `final`, or an error. Otherwise it was
    /// cut, and the body holds what had come until then.
    pub complete: bool,
    /// It was larger than the limit, and pieces of artifacts were left out.
    pub truncated: bool,
}

impl Collected {
    /// The agent did not do what was asked: a JSON-RPC error, or a state that says so.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.body.get("error").is_some() || self.state.is_some_and(TaskState::is_failure)
    }

    /// What the agent said, as text.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        text_of(self.body.get("result")?)
    }
}

/// Takes the events of one stream, in either dialect.
#[derive(Debug)]
pub struct Collector {
    limit: usize,
    held: usize,
    id: Value,
    dialect: Dialect,
    error: Option<Value>,
    message: Option<Value>,
    task: Option<Members>,
    complete: bool,
    truncated: bool,
}

impl Collector {
    /// A collector that keeps up to `limit` bytes of artifacts.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            held: 0,
            id: Value::Null,
            dialect: Dialect::V03,
            error: None,
            message: None,
            task: None,
            complete: false,
            truncated: false,
        }
    }

    /// Takes the data of one event. What is no JSON-RPC response counts for nothing.
    pub fn push(&mut self, data: &str) {
        if let Ok(response) = serde_json::from_str(data) {
            self.push_response(response, data.len());
        }
    }

    /// Whether the last event of the stream was seen.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    fn push_response(&mut self, mut response: Value, size: usize) {
        if self.id.is_null()
            && let Some(id) = response.get_mut("id")
        {
            self.id = id.take();
        }
        if let Some(error) = response.get_mut("error").filter(|error| !error.is_null()) {
            self.error = Some(error.take());
            self.complete = true;
        }
        if let Some(result) = response.get_mut("result") {
            self.fold(result.take(), size);
        }
    }

    fn fold(&mut self, mut result: Value, size: usize) {
        let kind = if let Some((wrapper, kind)) = wrapper_of(&result) {
            self.dialect = Dialect::V1;
            unwrap(&mut result, wrapper);
            kind
        } else if let Some((_, kind)) = kind_of(&result) {
            kind
        } else {
            return;
        };
        let Value::Object(event) = result else { return };
        match kind {
            "message" => {
                self.message = Some(Value::Object(event));
                self.complete = true;
            }
            "task" => self.take_task(event),
            "status-update" => self.take_status(event),
            _ => self.take_artifact(event, size),
        }
    }

    /// A task as it stands. Artifacts that came before it are kept where it names none itself.
    fn take_task(&mut self, mut task: Members) {
        if let Some(artifacts) = self.task.take().and_then(|mut earlier| earlier.shift_remove("artifacts")) {
            task.entry("artifacts").or_insert(artifacts);
        }
        self.task = Some(task);
        self.complete |= self.state().is_some_and(TaskState::is_end);
    }

    fn take_status(&mut self, mut event: Members) {
        let last = event.get("final") == Some(&Value::Bool(true));
        let status = event.shift_remove("status");
        let metadata = event.shift_remove("metadata");
        let task = self.task_of(&event);
        if let Some(status) = status {
            task.insert("status".to_owned(), status);
        }
        if let Some(Value::Object(metadata)) = metadata
            && let Some(known) = task.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
        {
            known.extend(metadata);
        }
        self.complete |= last || self.state().is_some_and(TaskState::is_end);
    }

    fn take_artifact(&mut self, mut event: Members, size: usize) {
        if self.held + size > self.limit {
            self.truncated = true;
            return;
        }
        self.held += size;
        let append = event.get("append") == Some(&Value::Bool(true));
        let Some(Value::Object(artifact)) = event.shift_remove("artifact") else { return };
        let task = self.task_of(&event);
        if let Some(list) = task.entry("artifacts").or_insert_with(|| json!([])).as_array_mut() {
            artifacts::merge(list, artifact, append);
        }
    }

    /// The task that an event belongs to; made from the event where none was announced.
    fn task_of(&mut self, event: &Members) -> &mut Members {
        let dialect = self.dialect;
        self.task.get_or_insert_with(|| {
            let mut task = Members::new();
            if dialect == Dialect::V03 {
                task.insert("kind".to_owned(), "task".into());
            }
            for (from, to) in [("taskId", "id"), ("contextId", "contextId")] {
                if let Some(value) = event.get(from) {
                    task.insert(to.to_owned(), value.clone());
                }
            }
            task
        })
    }

    fn state(&self) -> Option<TaskState> {
        TaskState::parse(self.task.as_ref()?.get("status")?.get("state")?.as_str()?)
    }

    /// What is stored; `None` where nothing came that says anything.
    #[must_use]
    pub fn finish(mut self) -> Option<Collected> {
        let state = self.state();
        let body = if let Some(error) = self.error.take() {
            json!({"jsonrpc": "2.0", "id": self.id, "error": error})
        } else {
            let (name, value) = self.outcome()?;
            let result = match self.dialect {
                Dialect::V03 => value,
                Dialect::V1 => json!({ name: value }),
            };
            json!({"jsonrpc": "2.0", "id": self.id, "result": result})
        };
        Some(Collected { body, state, complete: self.complete, truncated: self.truncated })
    }

    fn outcome(&mut self) -> Option<(&'static str, Value)> {
        if let Some(message) = self.message.take() {
            return Some(("message", message));
        }
        let mut task = self.task.take()?;
        let said = task.get("status").and_then(|status| status.get("message"));
        let whole = self.complete && !self.truncated && said.is_some_and(|said| stands_for(said, &task));
        let message = whole.then(|| task.get_mut("status")?.get_mut("message").map(Value::take)).flatten();
        Some(message.map_or_else(|| ("task", Value::Object(task)), |message| ("message", message)))
    }
}

/// Whether the message says everything that the task made: its text holds each text of the
/// artifacts, and they hold nothing but text.
fn stands_for(message: &Value, task: &Members) -> bool {
    let Some(text) = message_text(message) else { return false };
    let artifacts = task.get("artifacts").and_then(Value::as_array).into_iter().flatten();
    artifacts
        .flat_map(artifacts::parts)
        .all(|part| artifacts::plain_text(part).is_some_and(|piece| text.contains(piece)))
}

#[cfg(test)]
mod tests;
