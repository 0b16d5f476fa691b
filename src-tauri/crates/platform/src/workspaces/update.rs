//! Editing a workspace (20 §2.1, R-83): every key is checked first, then all are applied in one transaction.

use molecule_model::{WorkspaceId, event::EventKind, runtime};
use molecule_store::{
    lifecycle::{self, Edit},
    workspaces,
};
use serde_json::{Map, Value, json};

use super::fields;
use crate::{App, AppError, AppResult};

/// A year.
const MOST_IDLE_MINUTES: i64 = 365 * 24 * 60;

/// What is known before the database is asked.
struct Parsed {
    edit: Edit,
    needs_restart: bool,
}

/// Applies an edit. Answers whether a restart is needed for it to count.
///
/// `trusted`: the person asks. An agent must not choose the folder that it works in.
///
/// # Errors
/// 400 with the reason, 404 for an unknown id.
pub async fn update(app: &App, id: WorkspaceId, body: &Map<String, Value>, trusted: bool) -> AppResult<bool> {
    let Parsed { edit, needs_restart } = parse(app, body)?;
    if needs_restart && !trusted {
        return Err(AppError::forbidden("workspace_dir can only be changed by the person, not by the agent itself"));
    }
    let changed = edit.clone();
    let outcome = app
        .store
        .write(move |tx| {
            if let Some(Some(parent)) = changed.parent_id {
                if workspaces::get(tx, parent)?.is_none_or(|row| row.status == molecule_model::Status::Removed) {
                    return Ok(Err("parent_id must name an existing workspace"));
                }
                if parent == id || workspaces::lineage(tx, parent)?.is_some_and(|line| line.ancestors.contains(&id)) {
                    return Ok(Err("parent_id must not name the workspace itself or one below it"));
                }
            }
            Ok(if lifecycle::edit(tx, id, &changed)? { Ok(true) } else { Ok(false) })
        })
        .await
        .map_err(|error| AppError::internal("failed to update workspace", &error))?;
    match outcome {
        Ok(true) => {
            if edit != Edit::default() {
                app.bus.ephemeral(EventKind::WorkspaceUpdated, Some(id), app.now(), news(&edit));
            }
            Ok(needs_restart)
        }
        Ok(false) => Err(AppError::not_found("workspace not found")),
        Err(reason) => Err(AppError::bad_request(reason)),
    }
}

fn parse(app: &App, body: &Map<String, Value>) -> AppResult<Parsed> {
    let mut edit = Edit::default();
    let mut needs_restart = false;
    for (key, value) in body {
        match key.as_str() {
            "name" => {
                let name = text(key, value)?;
                fields::name(name).map_err(AppError::bad_request)?;
                edit.name = Some(name.to_owned());
            }
            "role" => {
                let role = optional_text(key, value)?;
                fields::role(role.unwrap_or_default()).map_err(AppError::bad_request)?;
                edit.role = Some(role.map(str::to_owned));
            }
            "tier" => edit.tier = Some(value.as_i64().ok_or_else(|| wrong(key, "a whole number"))?),
            "parent_id" => edit.parent_id = Some(parent(key, value)?),
            "runtime" => edit.runtime = Some(known_runtime(text(key, value)?)?),
            "workspace_dir" => {
                let dir = optional_text(key, value)?;
                if let Some(dir) = dir {
                    let refuse = |reason: String| {
                        AppError::bad_request("invalid workspace directory").with("reason", json!(reason))
                    };
                    fields::directory(dir, app.paths.root()).map_err(refuse)?;
                }
                edit.workspace_dir = Some(dir.map(str::to_owned));
                needs_restart = true;
            }
            "hibernation_idle_minutes" => edit.hibernation_idle_minutes = Some(idle_minutes(key, value)?),
            "collapsed" => edit.collapsed = Some(value.as_bool().ok_or_else(|| wrong(key, "true or false"))?),
            "x" | "y" => drop(coordinate(key, value)?),
            _ => {}
        }
    }
    if let (Some(x), Some(y)) = (body.get("x"), body.get("y")) {
        edit.place = Some((coordinate("x", x)?, coordinate("y", y)?));
    }
    Ok(Parsed { edit, needs_restart })
}

fn wrong(key: &str, want: &str) -> AppError {
    AppError::bad_request(format!("{key} must be {want}"))
}

fn text<'a>(key: &str, value: &'a Value) -> AppResult<&'a str> {
    value.as_str().ok_or_else(|| wrong(key, "a text"))
}

/// `null` and `""` clear.
fn optional_text<'a>(key: &str, value: &'a Value) -> AppResult<Option<&'a str>> {
    match value {
        Value::Null => Ok(None),
        other => Ok(Some(text(key, other)?).filter(|text| !text.is_empty())),
    }
}

fn parent(key: &str, value: &Value) -> AppResult<Option<WorkspaceId>> {
    let id = optional_text(key, value)?;
    id.map(|id| WorkspaceId::parse_loose(id).ok_or_else(|| wrong(key, "the id of a workspace, or null"))).transpose()
}

fn known_runtime(name: &str) -> AppResult<String> {
    fields::runtime(name).map_err(AppError::bad_request)?;
    // S234: what would be coerced wherever it matters is refused where it is typed.
    if runtime::safe(name) == name.trim() {
        Ok(name.trim().to_owned())
    } else {
        Err(AppError::bad_request(format!("runtime must be one of {}", runtime::BUILT_IN.join(", "))))
    }
}

/// `null` is never; the most is a year.
fn idle_minutes(key: &str, value: &Value) -> AppResult<Option<i64>> {
    if value.is_null() {
        return Ok(None);
    }
    let minutes = value.as_i64().filter(|minutes| (1..=MOST_IDLE_MINUTES).contains(minutes));
    minutes.map(Some).ok_or_else(|| wrong(key, "a whole number of minutes above 0, at most a year, or null"))
}

fn coordinate(key: &str, value: &Value) -> AppResult<f64> {
    value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| wrong(key, "a finite number"))
}

/// What other screens are told.
fn news(edit: &Edit) -> Value {
    let mut changed = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            changed.insert(key.to_owned(), value);
        }
    };
    set("name", edit.name.as_ref().map(|name| json!(name)));
    set("role", edit.role.as_ref().map(|role| json!(role)));
    set("tier", edit.tier.map(|tier| json!(tier)));
    set("parent_id", edit.parent_id.map(|parent| json!(parent)));
    set("runtime", edit.runtime.as_ref().map(|runtime| json!(runtime)));
    set("workspace_dir", edit.workspace_dir.as_ref().map(|dir| json!(dir)));
    set("hibernation_idle_minutes", edit.hibernation_idle_minutes.map(|minutes| json!(minutes)));
    set("collapsed", edit.collapsed.map(|collapsed| json!(collapsed)));
    set("x", edit.place.map(|(x, _)| json!(x)));
    set("y", edit.place.map(|(_, y)| json!(y)));
    Value::Object(changed)
}
