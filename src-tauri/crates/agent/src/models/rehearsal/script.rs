//! The `rehearsal:` block of `config.yaml`, checked while it is read: a bad pattern, a broken template
//! or a misspelt key is an error with its line, not a surprise in the middle of a demo.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::template::Template;

/// Words a second, where the script does not say. Slow enough to be seen, fast enough not to bore.
const DEFAULT_PACE: u32 = 60;

/// What a rehearsed agent says and does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// Pace of the text; 0: all at once.
    #[serde(default = "default_pace")]
    pub words_per_second: u32,
    /// The first rule that fits the message is played.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

const fn default_pace() -> u32 {
    DEFAULT_PACE
}

/// What to do about a message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Fits every message where absent.
    #[serde(default, rename = "match")]
    pub pattern: Option<Pattern>,
    pub steps: Vec<Step>,
}

/// A regular expression that is looked for anywhere in the message, without regard to case.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RegexBuilder::new(&text)
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build()
            .map(Self)
            .map_err(|error| D::Error::custom(format!("not a regular expression: {error}")))
    }
}

/// One step; steps run in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Text on the way.
    Say(Template),
    /// A pause, in milliseconds.
    WaitMs(u64),
    /// A file of the config folder.
    ReadFile(ReadFile),
    /// What is remembered.
    Recall(Recall),
    /// Something to remember.
    Remember(Remember),
    /// Work for colleagues, all at the same time.
    Delegate(Delegate),
    /// A question to the person.
    AskApproval(AskApproval),
    /// The turn fails.
    Fail(Fail),
    /// The last words.
    Reply(Template),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadFile {
    pub path: Template,
    #[serde(default, rename = "as")]
    pub store: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recall {
    #[serde(default)]
    pub query: Option<Template>,
    /// `LOCAL`, `TEAM`, `GLOBAL`; absent: the agent's own memories of any scope.
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default, rename = "as")]
    pub store: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remember {
    pub content: Template,
    #[serde(default)]
    pub scope: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delegate {
    pub to: Colleagues,
    pub task: Template,
    #[serde(default, rename = "as")]
    pub store: Option<String>,
}

/// Who gets the work.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Colleagues {
    /// `children`, or one name (a template).
    One(Template),
    /// Several names.
    Named(Vec<Template>),
    /// Every colleague whose role fits.
    ByRole(ByRole),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByRole {
    pub role: Pattern,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskApproval {
    pub action: Template,
    #[serde(default)]
    pub reason: Option<Template>,
    #[serde(default, rename = "as")]
    pub store: Option<String>,
    /// Ends the turn with these words where the person says no.
    #[serde(default)]
    pub on_denied: Option<Template>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fail {
    #[serde(default = "rehearsed_failure")]
    pub code: String,
    pub text: Template,
}

fn rehearsed_failure() -> String {
    "rehearsed_failure".to_owned()
}
