//! The keys of a `config.yaml` that the platform reads (20 §11.5, column P).

use serde::{Deserialize, Deserializer, Serialize};

use super::yaml;

/// A key that is there without a value counts as absent.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A `config.yaml` as far as the platform reads it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfigDocument {
    /// Shown to people.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Shown to people.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
    /// 1 to 4.
    #[serde(deserialize_with = "or_default")]
    pub tier: i64,
    /// What it runs on.
    #[serde(deserialize_with = "or_default")]
    pub runtime: String,
    /// The model; see [`Self::model`].
    #[serde(deserialize_with = "or_default")]
    pub model: String,
    /// The runtime's own settings.
    #[serde(deserialize_with = "or_default")]
    pub runtime_config: RuntimeConfig,
    /// Providers that the runtime can be pointed at.
    #[serde(deserialize_with = "or_default")]
    pub providers: Vec<Provider>,
    /// Names of skills.
    #[serde(deserialize_with = "or_default")]
    pub skills: Vec<String>,
}

/// `runtime_config:`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    /// The model, where the top level names none.
    #[serde(deserialize_with = "or_default")]
    pub model: String,
    /// Models to choose from.
    #[serde(deserialize_with = "or_default")]
    pub models: Vec<Model>,
    /// Variables that a launch needs.
    #[serde(deserialize_with = "or_default")]
    pub required_env: Vec<String>,
    /// Provider slugs.
    #[serde(deserialize_with = "or_default")]
    pub providers: Vec<String>,
    /// Seconds that a launch may take; 0 = not said.
    #[serde(deserialize_with = "or_default")]
    pub provision_timeout_seconds: u64,
}

/// A model to choose from.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Model {
    /// Its slug.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// Shown to people.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Variables that it needs.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub required_env: Vec<String>,
}

/// An entry of the top-level `providers:` (S041).
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Provider {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// `oauth` or `api_key`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub auth_mode: String,
    /// Models that go there.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub model_prefixes: Vec<String>,
    /// Short names of models.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub model_aliases: Vec<String>,
    /// Where it answers; `null` counts as absent (S043).
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub base_url: String,
    /// Variables that sign in.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub auth_env: Vec<String>,
}

impl ConfigDocument {
    /// `model`, else `runtime_config.model` (20 §11.1).
    #[must_use]
    pub fn model(&self) -> &str {
        if self.model.is_empty() { &self.runtime_config.model } else { &self.model }
    }
}

/// The model that stands first in the file: top-level `model:` or `runtime_config.model:` (20 §1.1 step 4).
#[must_use]
pub fn first_model(text: &str) -> Option<String> {
    let document: ConfigDocument = yaml::parse(super::CONFIG, text).ok()?;
    let (top, nested) = (document.model, document.runtime_config.model);
    let first = match (top.is_empty(), nested.is_empty()) {
        (false, false) if line_of(text, "runtime_config") < line_of(text, "model") => nested,
        (false, _) => top,
        (true, _) => nested,
    };
    (!first.is_empty()).then_some(first)
}

/// The top-level `runtime:` (20 §1.1 step 4, §3.1 step 5).
#[must_use]
pub fn top_level_runtime(text: &str) -> Option<String> {
    let document: ConfigDocument = yaml::parse(super::CONFIG, text).ok()?;
    let runtime = document.runtime.trim().to_owned();
    (!runtime.is_empty()).then_some(runtime)
}

/// Whether a top-level key is written in the file.
#[must_use]
pub fn has_top_level(text: &str, key: &str) -> bool {
    line_of(text, key).is_some()
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::{first_model, has_top_level, top_level_runtime};

    #[test]
    fn the_model_that_stands_first_counts_and_quotes_go() {
        assert_eq!(first_model("runtime_config:\n  model: \"a\"\nmodel: b\n").as_deref(), Some("a"));
        assert_eq!(first_model("model: 'b'\nruntime_config:\n  model: a\n").as_deref(), Some("b"));
        assert_eq!(first_model("runtime_config: {model: a}\n").as_deref(), Some("a"));
        assert_eq!(first_model("name: x\n"), None);
        assert_eq!(first_model("name: [\n"), None);
    }

    #[test]
    fn the_runtime_is_the_top_level_one() {
        assert_eq!(top_level_runtime("runtime: \" local \"\n").as_deref(), Some("local"));
        assert_eq!(top_level_runtime("a2a:\n  runtime: x\n"), None);
        assert!(has_top_level("runtime : local\n", "runtime"));
        assert!(!has_top_level("runtime_config: {}\n", "runtime"));
    }
}
