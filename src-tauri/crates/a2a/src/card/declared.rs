//! Which versions a card declares.

use serde_json::Value;

use crate::version::Versions;

/// The versions of the card's `protocolVersion` and of the same key inside its interface lists.
/// The card's own `version` is the agent's release number and says nothing. A card without either
/// declares nothing, and nothing is translated for it. Interfaces of another binding than JSON-RPC
/// do not count: they are not where we send.
#[must_use]
pub fn declared_versions(card: &Value) -> Versions {
    let mut versions = Versions::default();
    if let Some(version) = card.get("protocolVersion").and_then(Value::as_str) {
        versions.add(version);
    }
    let lists = ["supportedInterfaces", "additionalInterfaces"];
    let interfaces = lists.iter().filter_map(|name| card.get(name)?.as_array()).flatten();
    for interface in interfaces.filter(|interface| is_json_rpc(interface)) {
        if let Some(version) = interface.get("protocolVersion").and_then(Value::as_str) {
            versions.add(version);
        }
    }
    versions
}

/// JSON-RPC, or nothing else said.
fn is_json_rpc(interface: &Value) -> bool {
    ["protocolBinding", "transport"]
        .iter()
        .find_map(|name| interface.get(name)?.as_str())
        .is_none_or(|binding| binding.is_empty() || binding.eq_ignore_ascii_case("JSONRPC"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::declared_versions;
    use crate::version::Versions;

    const NOTHING: Versions = Versions { v03: false, v1: false };
    const V03: Versions = Versions { v03: true, v1: false };
    const V1: Versions = Versions { v03: false, v1: true };
    const BOTH: Versions = Versions { v03: true, v1: true };

    #[test]
    fn r68_only_protocol_version_decides() {
        assert_eq!(declared_versions(&json!({"name": "x", "version": "1.0.0"})), NOTHING);
        assert_eq!(declared_versions(&json!({"protocolVersion": "0.3.0", "version": "1.0.0"})), V03);
        assert_eq!(declared_versions(&json!({"protocolVersion": "1.0"})), V1);
        assert_eq!(declared_versions(&json!({"protocolVersion": "2.0"})), NOTHING);
    }

    #[test]
    fn r68_the_interface_list_counts_where_it_is_json_rpc() {
        let listed = |binding: &str, version: &str| json!({"protocolBinding": binding, "protocolVersion": version});
        let card = |interfaces: Vec<_>| json!({"supportedInterfaces": interfaces});
        assert_eq!(declared_versions(&card(vec![listed("JSONRPC", "1.0")])), V1);
        assert_eq!(declared_versions(&card(vec![listed("JSONRPC", "1.0"), listed("jsonrpc", "0.3")])), BOTH);
        assert_eq!(declared_versions(&card(vec![listed("GRPC", "1.0"), listed("HTTP+JSON", "0.3")])), NOTHING);
        assert_eq!(declared_versions(&json!({"supportedInterfaces": [{"protocolVersion": "1.0"}]})), V1);
        let compat = json!({"protocolVersion": "0.3.0", "supportedInterfaces": [listed("JSONRPC", "1.0")]});
        assert_eq!(declared_versions(&compat), BOTH);
        let additional = json!({"additionalInterfaces": [{"transport": "JSONRPC", "protocolVersion": "0.3.0"}]});
        assert_eq!(declared_versions(&additional), V03);
    }

    #[test]
    fn odd_cards_declare_nothing() {
        for card in [
            json!(null),
            json!([]),
            json!("1.0"),
            json!({"protocolVersion": 1.0}),
            json!({"protocolVersion": null, "supportedInterfaces": {"protocolVersion": "1.0"}}),
            json!({"supportedInterfaces": ["1.0", null, {"version": "1.0"}]}),
        ] {
            assert_eq!(declared_versions(&card), NOTHING, "{card}");
        }
    }
}
