//! Parts: v0.3 discriminates by `kind` and nests files, v1 does neither.

use serde_json::Value;

use super::object::{add_metadata, set_kind};
use crate::{version::Dialect, wire::Members};

/// v0.3 and v1 names of what a file part says.
const FILE: [(&str, &str); 4] = [("uri", "url"), ("bytes", "raw"), ("name", "filename"), ("mimeType", "mediaType")];
/// Where members of a v0.3 `file` that v1 does not know wait in the metadata of the part.
const FILE_EXTRA: &str = "file";
/// v1 data may be any JSON, v0.3 data is an object: other values are wrapped as `{"value": …}`, and
/// this flag in the metadata says so. The name is the one that the Python library uses.
const WRAPPED: &str = "data_part_compat";

pub(super) fn translate(part: &mut Value, to: Dialect) {
    let Some(part) = part.as_object_mut() else { return };
    match to {
        Dialect::V1 => to_v1(part),
        Dialect::V03 => to_v03(part),
    }
}

fn to_v1(part: &mut Members) {
    let Some(discriminator) = ["kind", "type"].into_iter().find(|name| part.get(*name).is_some_and(Value::is_string))
    else {
        return;
    };
    match part[discriminator].as_str() {
        Some("text") if part.contains_key("text") => {}
        Some("file") if part.get("file").is_some_and(Value::is_object) => flatten_file(part),
        Some("data") if part.contains_key("data") => unwrap_data(part),
        _ => return,
    }
    part.shift_remove(discriminator);
}

fn to_v03(part: &mut Members) {
    if part.contains_key("kind") || part.contains_key("type") {
        return;
    }
    if part.contains_key("text") {
        set_kind(part, "text");
    } else if part.contains_key("url") || part.contains_key("raw") {
        nest_file(part);
        set_kind(part, "file");
    } else if part.contains_key("data") {
        wrap_data(part);
        set_kind(part, "data");
    }
}

fn flatten_file(part: &mut Members) {
    let Some(Value::Object(mut file)) = part.shift_remove("file") else { return };
    for (v03, v1) in FILE {
        if let Some(value) = file.shift_remove(v03).filter(|value| !value.is_null()) {
            part.entry(v1).or_insert(value);
        }
    }
    if !file.is_empty() {
        add_metadata(part, FILE_EXTRA, Value::Object(file));
    }
}

fn nest_file(part: &mut Members) {
    let mut file = Members::new();
    for (v03, v1) in FILE {
        if let Some(value) = part.shift_remove(v1) {
            file.insert(v03.to_owned(), value);
        }
    }
    if let Some(Value::Object(extra)) = take_metadata(part, FILE_EXTRA, Value::is_object) {
        for (name, value) in extra {
            file.entry(name).or_insert(value);
        }
    }
    part.shift_insert(0, "file".to_owned(), Value::Object(file));
}

fn wrap_data(part: &mut Members) {
    let Some(data) = part.get_mut("data").filter(|data| !data.is_object()) else { return };
    let value = data.take();
    *data = Value::Object(Members::from_iter([("value".to_owned(), value)]));
    add_metadata(part, WRAPPED, true.into());
}

fn unwrap_data(part: &mut Members) {
    if take_metadata(part, WRAPPED, |flag| flag == true).is_none() {
        return;
    }
    if let Some(value) = part["data"].get_mut("value").map(Value::take) {
        part["data"] = value;
    }
}

/// Takes an entry out of `metadata` where it `fits`, and `metadata` with it where nothing is left.
fn take_metadata(part: &mut Members, name: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    let metadata = part.get_mut("metadata")?.as_object_mut()?;
    metadata.get(name).filter(|value| fits(value))?;
    let value = metadata.shift_remove(name);
    if metadata.is_empty() {
        part.shift_remove("metadata");
    }
    value
}
