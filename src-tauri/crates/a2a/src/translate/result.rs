//! What each method answers, and the events of a stream.

use serde_json::Value;

use super::{object, push};
use crate::{
    method::Method,
    version::Dialect,
    wire::{Members, Role},
};

/// What v1 wraps, and the kind that v0.3 has for it.
const WRAPPERS: [(&str, &str); 4] = [
    ("message", "message"),
    ("task", "task"),
    ("statusUpdate", "status-update"),
    ("artifactUpdate", "artifact-update"),
];

/// Turns the result of `method` into dialect `to`; tells whether it was in the other one.
pub fn result(result: &mut Value, method: Method, to: Dialect) -> bool {
    match method {
        Method::Send | Method::Stream | Method::Subscribe => stream_result(result, to),
        Method::GetTask | Method::CancelTask => task(result, to),
        Method::SetPush | Method::GetPush => config(result, to),
        Method::ListPush => configs(result, to),
        Method::DeletePush => deleted(result, to),
    }
}

/// The same for one event of a stream.
pub fn stream_result(result: &mut Value, to: Dialect) -> bool {
    match to {
        Dialect::V1 => {
            let Some((wrapper, kind)) = kind_of(result) else { return false };
            event(result, kind, to);
            *result = Value::Object(Members::from_iter([(wrapper.to_owned(), result.take())]));
        }
        Dialect::V03 => {
            let Some((wrapper, kind)) = wrapper_of(result) else { return false };
            unwrap(result, wrapper);
            event(result, kind, to);
        }
    }
    true
}

fn event(value: &mut Value, kind: &str, to: Dialect) {
    match kind {
        "message" => object::message(value, Role::Agent, to),
        "task" => object::task(value, to),
        "status-update" => object::status_update(value, to),
        _ => object::artifact_update(value, to),
    }
}

/// What a bare v0.3 result is: by its kind, else by the members that only one of them has.
pub(crate) fn kind_of(result: &Value) -> Option<(&'static str, &'static str)> {
    let members = result.as_object()?;
    if wrapper_of(result).is_some() {
        return None;
    }
    let kind = match members.get("kind") {
        Some(kind) => kind.as_str()?,
        None if members.contains_key("parts") => "message",
        None if members.get("status").is_some_and(Value::is_object) => "task",
        None => return None,
    };
    WRAPPERS.into_iter().find(|(_, known)| *known == kind)
}

pub(crate) fn wrapper_of(result: &Value) -> Option<(&'static str, &'static str)> {
    let members = result.as_object().filter(|members| !members.contains_key("kind"))?;
    WRAPPERS.into_iter().find(|(wrapper, _)| members.get(*wrapper).is_some_and(Value::is_object))
}

/// Lifts the wrapped object; members that stood beside it stay, where it has none of their name.
pub(crate) fn unwrap(result: &mut Value, wrapper: &str) {
    let Some(outer) = result.as_object_mut() else { return };
    let Some(Value::Object(mut inner)) = outer.shift_remove(wrapper) else { return };
    for (name, value) in std::mem::take(outer) {
        inner.entry(name).or_insert(value);
    }
    *result = Value::Object(inner);
}

fn task(result: &mut Value, to: Dialect) -> bool {
    if to == Dialect::V03 && wrapper_of(result).is_some_and(|(wrapper, _)| wrapper == "task") {
        unwrap(result, "task");
    }
    let v03 = result.get("kind").is_some();
    let translated = result.is_object() && v03 == (to == Dialect::V1);
    if translated {
        object::task(result, to);
    }
    translated
}

fn config(result: &mut Value, to: Dialect) -> bool {
    let Some(config) = result.as_object_mut() else { return false };
    push::for_task(config, to);
    true
}

fn configs(result: &mut Value, to: Dialect) -> bool {
    let mut list = match (result.take(), to) {
        (Value::Array(list), Dialect::V1) => list,
        // v1 leaves an empty list out.
        (Value::Object(mut answer), Dialect::V03) => match answer.shift_remove("configs") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        },
        (other, _) => {
            *result = other;
            return false;
        }
    };
    for item in &mut list {
        config(item, to);
    }
    *result = match to {
        Dialect::V1 => Value::Object(Members::from_iter([("configs".to_owned(), Value::Array(list))])),
        Dialect::V03 => Value::Array(list),
    };
    true
}

/// Nothing is `null` in v0.3 and `{}` in v1.
fn deleted(result: &mut Value, to: Dialect) -> bool {
    match (&*result, to) {
        (Value::Null, Dialect::V1) => *result = Value::Object(Members::new()),
        (Value::Object(empty), Dialect::V03) if empty.is_empty() => *result = Value::Null,
        _ => return false,
    }
    true
}
