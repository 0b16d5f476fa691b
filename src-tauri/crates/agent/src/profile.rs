//! `config.yaml`: who the agent is (40 §16), as far as the embedded agent reads it.
//!
//! Unknown keys are other runtimes' business and are passed over; inside `rehearsal:` they are errors.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::models::provider::{DEFAULT_MODEL, REHEARSAL};
use crate::models::rehearsal::script::Script;

/// What the agent takes from its `config.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    pub name: String,
    pub description: String,
    pub version: String,
    pub role: String,
    pub model: String,
    pub runtime_config: RuntimeConfig,
    pub prompt_files: Vec<String>,
    pub skills: Vec<String>,
    pub initial_prompt: String,
    pub initial_prompt_file: String,
    pub rehearsal: Option<Script>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RuntimeConfig {
    pub model: String,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "Workspace".into(),
            description: String::new(),
            version: "1.0.0".into(),
            role: String::new(),
            model: String::new(),
            runtime_config: RuntimeConfig::default(),
            prompt_files: Vec::new(),
            skills: Vec::new(),
            initial_prompt: String::new(),
            initial_prompt_file: String::new(),
            rehearsal: None,
        }
    }
}

/// What is wrong with a `config.yaml`, for the person who edits it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config.yaml{}: {reason}", .line.map(|line| format!(", line {line}")).unwrap_or_default())]
pub struct ConfigFault {
    /// Counted from 1, where it is known.
    pub line: Option<u64>,
    /// What was found and what is expected.
    pub reason: String,
}

/// Checks the text of a `config.yaml` the way the embedded agent reads it, its `rehearsal:` block with
/// every pattern and template included.
///
/// # Errors
/// The first fault, with its line.
pub fn check_config(text: &str) -> Result<(), ConfigFault> {
    Profile::parse(text).map(drop)
}

impl Profile {
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigFault> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| ConfigFault {
            line: error.location().map(|at| at.line()).filter(|line| *line > 0),
            reason: error.without_snippet().to_string(),
        })
    }

    /// Reads the file afresh.
    pub(crate) fn load(config_dir: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(path_in(config_dir)).map_err(|error| ConfigFault {
            line: None,
            reason: match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file in the config folder".into(),
                kind => format!("it cannot be read ({kind})"),
            },
        })?;
        Self::parse(&text)
    }

    /// The model slug: what the platform says, else what the file says, else the script if there is
    /// one, else the default of 40 §16.
    pub(crate) fn model<'a>(&'a self, chosen: Option<&'a str>) -> &'a str {
        let written = [self.runtime_config.model.as_str(), self.model.as_str()];
        let fallback = if self.rehearsal.is_some() { REHEARSAL } else { DEFAULT_MODEL };
        chosen.into_iter().chain(written).map(str::trim).find(|slug| !slug.is_empty()).unwrap_or(fallback)
    }
}

fn path_in(config_dir: &Path) -> PathBuf {
    config_dir.join("config.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_chosen_then_written_then_scripted() {
        let model = |yaml: &str, chosen: Option<&str>| Profile::parse(yaml).unwrap().model(chosen).to_owned();
        assert_eq!(model("model: a\nruntime_config: {model: b}", Some("c")), "c");
        assert_eq!(model("model: a\nruntime_config: {model: b}", Some(" ")), "b");
        assert_eq!(model("model: a", None), "a");
        assert_eq!(model("rehearsal: {rules: []}", None), "rehearsal");
        assert_eq!(model("", None), DEFAULT_MODEL);
    }

    #[test]
    fn keys_of_other_runtimes_are_passed_over() {
        let profile =
            Profile::parse("name: N\ntier: 2\nruntime_config: {timeout: 0, model: m}\na2a: {port: 8000}").unwrap();
        assert_eq!((profile.name.as_str(), profile.runtime_config.model.as_str()), ("N", "m"));
    }

    #[test]
    fn faults_name_their_line() {
        let table = [
            ("name: a\nmodel: [", 2, ""),
            ("rehearsal:\n  rules:\n    - match: '(open'\n      steps: []", 3, "regular expression"),
            ("rehearsal:\n  rules:\n    - steps:\n        - reply: '{{ open'", 4, "template"),
            ("rehearsal:\n  rules:\n    - steps:\n        - shout: loud", 4, "shout"),
            ("rehearsal:\n  rules:\n    - steps:\n        - delegate: {to: children, tsk: x}", 4, "tsk"),
            ("rehearsal:\n  speed: 3", 2, "speed"),
        ];
        for (yaml, line, word) in table {
            let fault = check_config(yaml).unwrap_err();
            assert_eq!(fault.line, Some(line), "{yaml}\n{fault}");
            assert!(fault.reason.contains(word), "{yaml}\n{fault}");
        }
    }
}
