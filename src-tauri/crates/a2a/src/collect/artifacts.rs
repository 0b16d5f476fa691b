//! Artifacts that come in pieces.

use serde_json::Value;

use crate::wire::Members;

/// Puts a piece into the list: after the earlier pieces of the same artifact where it says so,
/// else in their place. A piece that continues what never began begins it.
pub(super) fn merge(list: &mut Vec<Value>, piece: Members, append: bool) {
    let id = piece.get("artifactId");
    let known = list.iter_mut().find(|known| known.get("artifactId") == id).and_then(Value::as_object_mut);
    match known {
        None => list.push(Value::Object(piece)),
        Some(known) if append => extend(known, piece),
        Some(known) => *known = piece,
    }
}

fn extend(known: &mut Members, piece: Members) {
    for (name, value) in piece {
        match (name.as_str(), known.get_mut(&name), value) {
            ("parts", Some(Value::Array(parts)), Value::Array(more)) => {
                more.into_iter().for_each(|part| add(parts, part))
            }
            ("metadata", Some(Value::Object(metadata)), Value::Object(more)) => metadata.extend(more),
            (_, None, value) => drop(known.insert(name, value)),
            // The first piece has named it already.
            _ => {}
        }
    }
}

/// Adds a part. A text that continues a text becomes one with it: streams send a part for each word.
fn add(parts: &mut Vec<Value>, part: Value) {
    if let Some(more) = plain_text(&part)
        && let Some(last) = parts.last_mut().filter(|last| plain_text(last).is_some())
        && let Some(Value::String(text)) = last.get_mut("text")
    {
        text.push_str(more);
    } else {
        parts.push(part);
    }
}

/// The text of a part that is nothing but text.
pub(super) fn plain_text(part: &Value) -> Option<&str> {
    let members = part.as_object()?;
    let plain = members.iter().all(|(name, value)| match name.as_str() {
        "text" => true,
        "kind" | "type" => value == "text",
        "metadata" => value.is_null(),
        _ => false,
    });
    members.get("text").and_then(Value::as_str).filter(|_| plain)
}

pub(super) fn parts(artifact: &Value) -> impl Iterator<Item = &Value> {
    artifact.get("parts").and_then(Value::as_array).into_iter().flatten()
}
