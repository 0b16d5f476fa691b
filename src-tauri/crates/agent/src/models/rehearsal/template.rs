//! Texts with `{{ variables }}` (the syntax of minijinja).

use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// A text that was checked to be well formed.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    Filled(String),
    /// Taken as it is.
    Literal(String),
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match environment().template_from_str(&text) {
            Ok(_) => Ok(Self::Filled(text)),
            Err(error) => Err(D::Error::custom(format!("not a template: {error:#}"))),
        }
    }
}

impl Template {
    /// The text as it was written.
    pub(crate) fn source(&self) -> &str {
        let (Self::Filled(text) | Self::Literal(text)) = self;
        text
    }

    /// A text that only looks like a template.
    pub(crate) const fn literal(text: String) -> Self {
        Self::Literal(text)
    }

    /// Fills the text in. What is not defined is empty; a text that cannot be filled in says why in
    /// its own place, so that a demo goes on.
    pub(crate) fn fill(&self, variables: &Value) -> String {
        let Self::Filled(text) = self else { return self.source().to_owned() };
        environment()
            .render_str(text, variables)
            .unwrap_or_else(|error| format!("(this text of the script cannot be filled in: {error})"))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_keep_trailing_newline(true);
    environment
}
