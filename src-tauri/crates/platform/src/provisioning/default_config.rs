//! The `config.yaml` of a workspace that no template gives one (20 §7.3).

use std::fmt::Write;

use molecule_model::runtime;

/// What goes into it.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// The workspace's name.
    pub name: &'a str,
    /// Its role.
    pub role: &'a str,
    /// 1 to 4.
    pub tier: i64,
    /// What it runs on, as stored.
    pub runtime: &'a str,
    /// Empty: the runtime's default.
    pub model: &'a str,
}

/// The model of a runtime where nobody chose one.
#[must_use]
pub fn default_model(runtime: &str) -> &'static str {
    if runtime::safe(runtime) == runtime::DEFAULT { "sonnet" } else { "anthropic:claude-opus-4-7" }
}

/// The text; every value that a person typed is a quoted scalar, so that none can add a key.
#[must_use]
pub fn default_config(of: Described<'_>) -> String {
    let runtime = runtime::safe(of.runtime);
    let model = if of.model.is_empty() { default_model(runtime) } else { of.model };
    format!(
        "name: {}\ndescription: {}\nversion: 1.0.0\ntier: {}\nruntime: {runtime}\nmodel: {}\nruntime_config:\n  timeout: 0\n",
        quoted(of.name),
        quoted(of.role),
        of.tier,
        quoted(model),
    )
}

/// A double-quoted scalar on one line: line feeds become blanks, carriage returns go.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            '\r' => {}
            '"' | '\\' => out.extend(['\\', c]),
            // Line ends of YAML 1.1, and what no YAML text may hold.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Described, default_config};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        name: String,
        description: String,
        version: String,
        tier: i64,
        runtime: String,
        model: String,
        runtime_config: Timeout,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Timeout {
        timeout: i64,
    }

    #[test]
    fn the_text_of_the_contract() {
        let of = Described {
            name: "Docs Writer",
            role: "Keeps the handbook current",
            tier: 2,
            runtime: "langgraph",
            model: "",
        };
        insta::assert_snapshot!(default_config(of), @r#"
        name: "Docs Writer"
        description: "Keeps the handbook current"
        version: 1.0.0
        tier: 2
        runtime: claude-code
        model: "sonnet"
        runtime_config:
          timeout: 0
        "#);
        let local = Described { runtime: "local", ..of };
        assert!(default_config(local).contains("model: \"anthropic:claude-opus-4-7\""));
    }

    proptest::proptest! {
        #[test]
        fn no_value_can_add_a_key(name in ".*", role in "(.|\n|\r)*", model in ".*", tail in "[\n\"\\\\:#&*!|>{}\u{85}\u{2028}a-z ]*") {
            let text = default_config(Described { name: &name, role: &format!("{role}{tail}"), tier: 2, runtime: "local", model: &model });
            let parsed: Whole = crate::templates::parse("config.yaml", &text).unwrap();
            let clean = |text: &str| text.replace('\r', "").replace('\n', " ");
            proptest::prop_assert_eq!(parsed.name, clean(&name));
            proptest::prop_assert_eq!(parsed.description, clean(&format!("{role}{tail}")));
            proptest::prop_assert_eq!((parsed.tier, parsed.runtime_config.timeout, parsed.version.as_str()), (2, 0, "1.0.0"));
            proptest::prop_assert_eq!(parsed.runtime, "local");
            if !model.is_empty() {
                proptest::prop_assert_eq!(parsed.model, clean(&model));
            }
        }
    }
}
