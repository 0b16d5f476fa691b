//! The card under which a workspace is reached through us: the agent's own, with our address in it.

use serde_json::{Map, Value, json};

use super::declared_versions;
use crate::version::{Dialect, Versions};

/// What stands in a card besides what its agent said.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Where its messages are taken.
    pub url: &'a str,
    /// Its name, where the card has none.
    pub name: &'a str,
    /// What it is for, where the card does not say.
    pub description: &'a str,
    /// Whether it may be called at all; one that polls answers nobody at once and streams nothing.
    pub answers: bool,
}

/// What of an agent's card is not true of us: its addresses, its signature over them, the credentials that it asks
/// for itself, and the fuller card that it shows to those who have them.
const ITS_OWN: [&str; 6] = [
    "additionalInterfaces",
    "signatures",
    "security",
    "securitySchemes",
    "securityRequirements",
    "supportsAuthenticatedExtendedCard",
];

/// The card as readers of v0.3 and of v1 take it. It lists both versions where the agent declares one, because the
/// way to it translates; an agent that declares nothing is spoken to as the caller speaks, and v0.3
/// is what such agents understand.
#[must_use]
pub fn published(own: Option<&Value>, as_: Published<'_>) -> Value {
    let own = own.and_then(Value::as_object);
    let declared = own.map(|card| declared_versions(&Value::Object(card.clone()))).unwrap_or_default();
    let mut card = own.cloned().unwrap_or_default();
    for name in ITS_OWN {
        card.shift_remove(name);
    }
    text(&mut card, "name", as_.name);
    text(&mut card, "description", as_.description);
    text(&mut card, "version", "1.0.0");
    modes(&mut card, "defaultInputModes");
    modes(&mut card, "defaultOutputModes");
    let skills: Vec<Value> =
        own.and_then(|card| card.get("skills")?.as_array()).into_iter().flatten().filter_map(skill).collect();
    card.insert("skills".into(), skills.into());
    card.insert("capabilities".into(), capabilities(own, as_.answers));
    card.insert("url".into(), as_.url.into());
    card.insert("preferredTransport".into(), "JSONRPC".into());
    card.insert("protocolVersion".into(), Dialect::V03.card_version().into());
    let interfaces: Vec<Value> = spoken(declared)
        .map(|version| json!({"url": as_.url, "protocolBinding": "JSONRPC", "protocolVersion": version}))
        .collect();
    card.insert("supportedInterfaces".into(), interfaces.into());
    Value::Object(card)
}

/// The versions as v1 readers compare them, the best first.
fn spoken(declared: Versions) -> impl Iterator<Item = &'static str> {
    let v1 = declared.v1 || declared.v03;
    v1.then_some("1.0").into_iter().chain(["0.3"])
}

/// Only what readers of both versions know, and only as far as it goes through us.
fn capabilities(own: Option<&Map<String, Value>>, answers: bool) -> Value {
    let own = own.and_then(|card| card.get("capabilities")?.as_object());
    let says = |name: &str| answers && own.and_then(|own| own.get(name)?.as_bool()).unwrap_or(false);
    let mut made = json!({"streaming": says("streaming"), "pushNotifications": says("pushNotifications")});
    if let Some(extensions @ Value::Array(_)) = own.and_then(|own| own.get("extensions")) {
        made["extensions"] = extensions.clone();
    }
    made
}

fn text(card: &mut Map<String, Value>, name: &str, otherwise: &str) {
    if card.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
        card.insert(name.to_owned(), otherwise.into());
    }
}

fn modes(card: &mut Map<String, Value>, name: &str) {
    let given = card.get(name).and_then(Value::as_array);
    if given.is_none_or(|modes| modes.is_empty() || !modes.iter().all(Value::is_string)) {
        card.insert(name.to_owned(), json!(["text/plain"]));
    }
}

/// A skill with everything that readers insist on; one without any name is none.
fn skill(given: &Value) -> Option<Value> {
    let named = |name: &str| given.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = named("name").or_else(|| named("id")).or_else(|| given.as_str())?;
    let strings = |member: &str| -> Vec<&str> {
        given.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let mut made = json!({
        "id": named("id").unwrap_or(name), "name": name,
        "description": named("description").unwrap_or_default(), "tags": strings("tags"),
    });
    for member in ["examples", "inputModes", "outputModes"] {
        let list = strings(member);
        if !list.is_empty() {
            made[member] = list.into();
        }
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Published, published};

    const HERE: Published<'static> = Published {
        url: "http://127.0.0.1:8080/workspaces/w/a2a",
        name: "Row",
        description: "Its role",
        answers: true,
    };

    fn versions(card: &Value) -> Vec<&str> {
        let listed = card["supportedInterfaces"].as_array().unwrap().iter();
        listed.map(|each| each["protocolVersion"].as_str().unwrap()).collect()
    }

    #[test]
    fn r18_either_version_is_offered_where_one_is_declared() {
        let of = |card: Value| published(Some(&card), HERE);
        let v03 = of(json!({"name": "A", "protocolVersion": "0.3.0", "url": "http://127.0.0.1:9000"}));
        let v1 =
            of(json!({"supportedInterfaces": [{"url": "u", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}));
        assert_eq!((versions(&v03), versions(&v1)), (vec!["1.0", "0.3"], vec!["1.0", "0.3"]));
        assert_eq!(versions(&of(json!({"name": "A"}))), ["0.3"], "nothing declared, nothing translated");
        for card in [v03, v1] {
            assert!(!card.to_string().contains("9000") && !card.to_string().contains("\"u\""), "{card}");
            assert_eq!(card["url"], HERE.url);
        }
    }

    #[test]
    fn whatever_was_registered_readers_of_both_versions_get_a_whole_card() {
        for odd in [
            json!(null),
            json!([]),
            json!({}),
            json!({"name": "", "skills": {}, "capabilities": true, "defaultInputModes": []}),
        ] {
            let card = published(Some(&odd), HERE);
            assert_eq!((&card["name"], &card["description"]), (&json!("Row"), &json!("Its role")), "{odd}");
            assert_eq!((&card["skills"], &card["defaultInputModes"]), (&json!([]), &json!(["text/plain"])));
            assert_eq!(card["capabilities"], json!({"streaming": false, "pushNotifications": false}));
        }
        let skills =
            json!({"skills": ["plain", {"id": "i"}, {"name": "n", "tags": ["t", 1], "examples": ["e"]}, {}, 7]});
        assert_eq!(
            published(Some(&skills), HERE)["skills"],
            json!([
                {"id": "plain", "name": "plain", "description": "", "tags": []},
                {"id": "i", "name": "i", "description": "", "tags": []},
                {"id": "n", "name": "n", "description": "", "tags": ["t"], "examples": ["e"]},
            ])
        );
    }

    #[test]
    fn what_is_only_true_of_the_agent_is_left_out_and_the_rest_stays() {
        let own = json!({"name": "A", "documentationUrl": "https://example.com", "securitySchemes": {"k": {}},
            "security": [{"k": []}], "signatures": [{}], "capabilities": {"streaming": true, "extendedAgentCard": true}});
        let card = published(Some(&own), HERE);
        assert_eq!(card["documentationUrl"], "https://example.com");
        assert_eq!(card["capabilities"], json!({"streaming": true, "pushNotifications": false}));
        assert!(["securitySchemes", "security", "signatures"].iter().all(|name| card.get(*name).is_none()));
        let polls = published(Some(&own), Published { answers: false, ..HERE });
        assert_eq!(polls["capabilities"]["streaming"], false);
    }
}
