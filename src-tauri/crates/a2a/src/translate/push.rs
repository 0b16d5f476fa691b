//! Push-notification configurations: v0.3 nests them below the task, v1 has one flat object.

use serde_json::Value;

use super::object::rename;
use crate::{version::Dialect, wire::Members};

const NESTED: &str = "pushNotificationConfig";
/// The members of a configuration, in both dialects.
const CONFIG: [&str; 4] = ["id", "url", "token", "authentication"];

/// A configuration of a task: the parameters of setting one, and what is answered.
pub(super) fn for_task(value: &mut Members, to: Dialect) {
    match to {
        Dialect::V1 => {
            let Some(Value::Object(mut config)) = value.shift_remove(NESTED) else { return };
            authentication(&mut config, to);
            for (name, member) in config {
                value.entry(name).or_insert(member);
            }
        }
        Dialect::V03 => {
            if value.contains_key(NESTED) {
                return;
            }
            let mut config: Members = CONFIG.iter().filter_map(|name| value.shift_remove_entry(*name)).collect();
            authentication(&mut config, to);
            value.insert(NESTED.to_owned(), Value::Object(config));
        }
    }
}

/// The parameters that name a task and maybe one of its configurations.
pub(super) fn ids(params: &mut Members, to: Dialect) {
    let config = "pushNotificationConfigId";
    match to {
        Dialect::V1 => {
            rename(params, "id", "taskId");
            rename(params, config, "id");
        }
        Dialect::V03 => {
            rename(params, "id", config);
            rename(params, "taskId", "id");
        }
    }
}

/// v0.3 lists schemes, v1 has one: the first counts.
pub(super) fn authentication(config: &mut Members, to: Dialect) {
    let Some(authentication) = config.get_mut("authentication").and_then(Value::as_object_mut) else { return };
    match to {
        Dialect::V1 => {
            if let Some(Value::Array(schemes)) = authentication.shift_remove("schemes")
                && let Some(first) = schemes.into_iter().next()
            {
                authentication.insert("scheme".to_owned(), first);
            }
        }
        Dialect::V03 => {
            let schemes = authentication.shift_remove("scheme").into_iter().collect();
            authentication.insert("schemes".to_owned(), Value::Array(schemes));
        }
    }
}
