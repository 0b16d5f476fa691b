//! The parameters of each method.

use serde_json::{Value, json};

use super::{object, push};
use crate::{
    method::Method,
    version::Dialect,
    wire::{Members, Role},
};

/// Turns the parameters of `method` into dialect `to`.
pub fn params(params: &mut Value, method: Method, to: Dialect) {
    let Some(params) = params.as_object_mut() else { return };
    match method {
        Method::Send => {
            send(params, to);
            wait_unless_told(params, to);
        }
        Method::Stream => send(params, to),
        // v1 has metadata for cancelling only.
        Method::GetTask | Method::Subscribe if to == Dialect::V1 => {
            params.shift_remove("metadata");
        }
        Method::GetTask | Method::CancelTask | Method::Subscribe => {}
        Method::SetPush => push::for_task(params, to),
        Method::GetPush | Method::ListPush | Method::DeletePush => push::ids(params, to),
    }
}

fn send(params: &mut Members, to: Dialect) {
    if let Some(message) = params.get_mut("message") {
        object::message(message, Role::User, to);
    }
    if let Some(configuration) = params.get_mut("configuration").and_then(Value::as_object_mut) {
        configure(configuration, to);
    }
    if to == Dialect::V1 {
        object::into_metadata(params, "expires_in_seconds");
    }
}

/// v1 waits for the end of a task unless it is told not to. v0.3 has no such default: some of its agents answer at once
/// with a task that has only begun, so they are told.
fn wait_unless_told(params: &mut Members, to: Dialect) {
    if to == Dialect::V03
        && let Some(configuration) = params.entry("configuration").or_insert_with(|| json!({})).as_object_mut()
    {
        configuration.entry("blocking").or_insert(true.into());
    }
}

fn configure(configuration: &mut Members, to: Dialect) {
    let (waits, returns) = ("blocking", "returnImmediately");
    let (old, new) = ("pushNotificationConfig", "taskPushNotificationConfig");
    let (flag, flag_to, config, config_to) = match to {
        Dialect::V1 => (waits, returns, old, new),
        Dialect::V03 => (returns, waits, new, old),
    };
    if let Some(value) = configuration.get(flag).and_then(Value::as_bool) {
        object::rename(configuration, flag, flag_to);
        configuration.insert(flag_to.to_owned(), (!value).into());
    }
    object::rename(configuration, config, config_to);
    if let Some(config) = configuration.get_mut(config_to).and_then(Value::as_object_mut) {
        push::authentication(config, to);
    }
}
