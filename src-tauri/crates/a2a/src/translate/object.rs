//! Messages, tasks, statuses, artifacts.

use serde_json::Value;

use super::part;
use crate::{
    version::Dialect,
    wire::{Members, Role, TaskState},
};

pub(super) fn message(value: &mut Value, speaker: Role, to: Dialect) {
    let Some(message) = value.as_object_mut() else { return };
    match to {
        Dialect::V1 => {
            drop_kind(message, "message");
            into_metadata(message, "usage");
        }
        Dialect::V03 => {
            set_kind(message, "message");
            // v1 leaves out what has its default; v0.3 wants it said.
            message.entry("role").or_insert_with(|| role_name(speaker, Dialect::V1).into());
            message.entry("parts").or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    for role in [Role::User, Role::Agent] {
        if message.get("role").and_then(Value::as_str) == Some(role_name(role, other(to))) {
            message.insert("role".to_owned(), role_name(role, to).into());
        }
    }
    parts(message, to);
}

pub(super) fn task(value: &mut Value, to: Dialect) {
    let Some(task) = value.as_object_mut() else { return };
    match to {
        Dialect::V1 => drop_kind(task, "task"),
        Dialect::V03 => {
            set_kind(task, "task");
            task.entry("contextId").or_insert_with(|| "".into());
        }
    }
    status(task, to);
    each(task, "artifacts", |artifact| self::artifact(artifact, to));
    each(task, "history", |message| self::message(message, Role::Agent, to));
}

pub(super) fn status_update(value: &mut Value, to: Dialect) {
    let Some(update) = value.as_object_mut() else { return };
    status(update, to);
    match to {
        Dialect::V1 => {
            drop_kind(update, "status-update");
            update.shift_remove("final");
        }
        Dialect::V03 => {
            set_kind(update, "status-update");
            update.entry("contextId").or_insert_with(|| "".into());
            let state = update["status"].get("state").and_then(Value::as_str).and_then(TaskState::parse);
            update.entry("final").or_insert_with(|| state.is_some_and(TaskState::is_end).into());
        }
    }
}

pub(super) fn artifact_update(value: &mut Value, to: Dialect) {
    let Some(update) = value.as_object_mut() else { return };
    match to {
        Dialect::V1 => drop_kind(update, "artifact-update"),
        Dialect::V03 => {
            set_kind(update, "artifact-update");
            update.entry("contextId").or_insert_with(|| "".into());
        }
    }
    if let Some(artifact) = update.get_mut("artifact") {
        self::artifact(artifact, to);
    }
}

fn artifact(value: &mut Value, to: Dialect) {
    let Some(artifact) = value.as_object_mut() else { return };
    if to == Dialect::V03 {
        artifact.entry("parts").or_insert_with(|| Value::Array(Vec::new()));
    }
    parts(artifact, to);
}

fn status(holder: &mut Members, to: Dialect) {
    if to == Dialect::V03 {
        holder.entry("status").or_insert_with(|| Value::Object(Members::new()));
    }
    let Some(status) = holder.get_mut("status").and_then(Value::as_object_mut) else { return };
    let state = status.get("state").and_then(Value::as_str).map(TaskState::parse);
    match (state, to) {
        (Some(None), _) => {}
        (Some(Some(state)), Dialect::V1) => drop(status.insert("state".to_owned(), state.v1().into())),
        (Some(Some(state)), Dialect::V03) => drop(status.insert("state".to_owned(), state.v03().into())),
        (None, Dialect::V03) => drop(status.entry("state").or_insert_with(|| TaskState::Unknown.v03().into())),
        (None, Dialect::V1) => {}
    }
    if let Some(message) = status.get_mut("message") {
        self::message(message, Role::Agent, to);
    }
}

fn parts(holder: &mut Members, to: Dialect) {
    each(holder, "parts", |part| part::translate(part, to));
}

fn each(holder: &mut Members, name: &str, change: impl FnMut(&mut Value)) {
    if let Some(list) = holder.get_mut(name).and_then(Value::as_array_mut) {
        list.iter_mut().for_each(change);
    }
}

pub(super) const fn other(dialect: Dialect) -> Dialect {
    match dialect {
        Dialect::V03 => Dialect::V1,
        Dialect::V1 => Dialect::V03,
    }
}

const fn role_name(role: Role, dialect: Dialect) -> &'static str {
    match (dialect, role) {
        (Dialect::V03, Role::User) => "user",
        (Dialect::V03, Role::Agent) => "agent",
        (Dialect::V1, Role::User) => "ROLE_USER",
        (Dialect::V1, Role::Agent) => "ROLE_AGENT",
    }
}

/// Removes the `kind` that v0.3 has and v1 does not; another kind is not ours to remove.
pub(super) fn drop_kind(members: &mut Members, kind: &str) {
    if members.get("kind").and_then(Value::as_str) == Some(kind) {
        members.shift_remove("kind");
    }
}

/// Puts `kind` first, where it is not there yet.
pub(super) fn set_kind(members: &mut Members, kind: &str) {
    if !members.contains_key("kind") {
        members.shift_insert(0, "kind".to_owned(), kind.into());
    }
}

/// Gives a member another name; where the other is taken already, nothing happens.
pub(super) fn rename(members: &mut Members, from: &str, to: &str) {
    if !members.contains_key(to)
        && let Some(value) = members.shift_remove(from)
    {
        members.insert(to.to_owned(), value);
    }
}

/// Moves a member into `metadata`, where v1 allows anything.
pub(super) fn into_metadata(members: &mut Members, name: &str) {
    let Some(value) = members.shift_remove(name) else { return };
    add_metadata(members, name, value);
}

/// Adds an entry to `metadata`. Where `metadata` is something else than an object, the entry is lost
/// rather than what stands there.
pub(super) fn add_metadata(members: &mut Members, name: &str, value: Value) {
    let metadata = members.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Members::new());
    }
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.entry(name).or_insert(value);
    }
}
