//! What answers: a model behind one of two wire dialects, or the rehearsal script.
//!
//! A [`Conversation`] lives for one turn. Each round it streams text and may ask for tools; the turn
//! runs them and hands the results to the next round. The script is a conversation like the others,
//! so that people see the same tool events on a train as with a real model.

mod anthropic;
pub(crate) mod fault;
mod openai;
pub(crate) mod provider;
pub(crate) mod rehearsal;
mod transport;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use fault::Fault;
use provider::Dialect;
pub(crate) use provider::{Choice, Endpoint};
pub(crate) use transport::Transport;

/// A tool as it is offered to a model.
#[derive(Clone, Debug)]
pub(crate) struct ToolSpec {
    pub name: &'static str,
    pub description: &'static str,
    /// JSON schema of the arguments.
    pub schema: Value,
}

/// A tool that the model wants to be run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub id: String,
    pub name: String,
    /// The arguments; not an object where the model wrote broken JSON.
    pub input: Value,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub(crate) struct ToolResult {
    pub call_id: String,
    /// For the model to read.
    pub text: String,
    pub is_error: bool,
    /// The same for a program: only the rehearsal script reads it.
    pub data: Value,
}

/// Tokens of a turn, as the provider counted them (10 §9.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
    }
}

/// The end of one round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Tools to run; none: the turn is over.
    pub calls: Vec<ToolCall>,
    pub usage: Usage,
    /// A remark for the person, such as that the answer was cut at the length limit.
    pub note: Option<&'static str>,
}

/// Who said something earlier in this context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaker {
    User,
    Agent,
}

/// One earlier utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Utterance {
    pub speaker: Speaker,
    pub text: String,
}

/// What a turn begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    pub system: String,
    pub history: Vec<Utterance>,
    pub message: String,
    pub tools: Vec<ToolSpec>,
    pub max_output_tokens: u32,
}

impl Opening {
    /// History and message as both dialects want them: beginning with the person, no two neighbours
    /// of the same role, nothing empty.
    fn utterances(&self) -> Vec<Utterance> {
        let last = Utterance { speaker: Speaker::User, text: self.message.clone() };
        let mut out: Vec<Utterance> = Vec::new();
        for each in self.history.iter().chain(std::iter::once(&last)) {
            match out.last_mut() {
                _ if each.text.trim().is_empty() => {}
                None if each.speaker == Speaker::Agent => {}
                Some(previous) if previous.speaker == each.speaker => {
                    previous.text.push_str("\n\n");
                    previous.text.push_str(&each.text);
                }
                _ => out.push(each.clone()),
            }
        }
        if out.last().is_none_or(|last| last.speaker == Speaker::Agent) {
            out.push(Utterance { speaker: Speaker::User, text: "(empty message)".into() });
        }
        out
    }
}

/// Where the text of an answer goes while it is made.
pub(crate) trait Voice: Send + Sync {
    /// The next piece of text.
    fn say(&self, delta: &str);
    /// What follows is a new paragraph, if anything was said before.
    fn paragraph(&self);
}

/// One turn with a model.
#[async_trait]
pub(crate) trait Conversation: Send {
    /// One round: hands over the results of the tools asked for in the round before, streams text
    /// into `voice`, and answers which tools to run next.
    async fn next(&mut self, results: Vec<ToolResult>, voice: &dyn Voice) -> Result<Round, Fault>;
}

/// Opens a conversation with a model over HTTP.
pub(crate) fn converse(transport: Transport, endpoint: Endpoint, opening: &Opening) -> Box<dyn Conversation> {
    match endpoint.dialect {
        Dialect::Anthropic => Box::new(anthropic::Anthropic::begin(transport, endpoint, opening)),
        Dialect::OpenAi => Box::new(openai::OpenAi::begin(transport, endpoint, opening)),
    }
}

/// The arguments of a tool call as the model wrote them. Broken JSON stays visible to the tool layer,
/// which tells the model.
fn arguments(json: &str) -> Value {
    if json.trim().is_empty() {
        return Value::Object(serde_json::Map::new());
    }
    serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()))
}

#[cfg(test)]
mod wire_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(speaker: Speaker, text: &str) -> Utterance {
        Utterance { speaker, text: text.into() }
    }

    #[test]
    fn history_alternates_and_begins_with_the_person() {
        use Speaker::{Agent, User};
        let opening = Opening {
            history: vec![said(Agent, "hello"), said(User, "a"), said(User, "b"), said(Agent, " "), said(Agent, "c")],
            message: "d".into(),
            ..Opening::default()
        };
        assert_eq!(opening.utterances(), [said(User, "a\n\nb"), said(Agent, "c"), said(User, "d")]);
    }

    #[test]
    fn an_empty_message_still_ends_with_the_person() {
        let opening =
            Opening { history: vec![said(Speaker::User, "a"), said(Speaker::Agent, "b")], ..Opening::default() };
        assert_eq!(opening.utterances().last().unwrap().speaker, Speaker::User);
    }

    #[test]
    fn broken_arguments_are_kept_for_the_tool_layer_to_refuse() {
        assert_eq!(arguments(""), serde_json::json!({}));
        assert_eq!(arguments(r#"{"a":1}"#), serde_json::json!({"a": 1}));
        assert_eq!(arguments(r#"{"a":"#), Value::String(r#"{"a":"#.into()));
    }
}
