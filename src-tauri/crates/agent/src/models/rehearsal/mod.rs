//! The rehearsal model: deterministic, without network, scripted in the template.
//!
//! It asks for the same tools as a real model (`delegate_task`, `commit_memory`, `ask_approval`, …),
//! one step of the script at a time, and streams its texts at a readable pace. The reference for
//! people is `docs/agents.md`.

mod pace;
pub(crate) mod script;
mod template;

use std::collections::BTreeMap;
use std::vec;

use async_trait::async_trait;
use minijinja::Value;
use molecule_model::preview;
use serde::Serialize;
use serde_json::json;

use super::{Conversation, Fault, Round, ToolCall, ToolResult, Usage, Voice};
use script::{AskApproval, Colleagues, Delegate, Script, Step};
use template::Template;

/// Somebody this agent may talk to, as scripts see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cast {
    pub id: String,
    pub name: String,
    pub role: String,
    pub status: String,
    /// `child`, `parent` or `sibling`.
    pub relation: &'static str,
}

/// Where a script is played.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub message: String,
    /// The agent's own name.
    pub name: String,
    pub role: String,
    pub cast: Vec<Cast>,
}

/// A script being played.
pub(crate) struct Rehearsal {
    pace: u32,
    steps: vec::IntoIter<Step>,
    cast: Vec<Cast>,
    variables: BTreeMap<String, Value>,
    pending: Option<Pending>,
    calls: usize,
    said: bool,
    /// Words read and said; tokens are counted as words × 1.3.
    words_in: u64,
    words_out: u64,
}

/// A step whose tools are running.
enum Pending {
    Text(Option<String>),
    Replies { store: Option<String>, targets: Vec<Cast> },
    Verdict(AskApproval),
    List(Option<String>),
}

impl Rehearsal {
    /// Chooses the rule that fits the message. `None`: the template has no script.
    pub(crate) fn begin(script: Option<&Script>, scene: Scene) -> Self {
        let rules = script.map(|script| script.rules.as_slice()).unwrap_or_default();
        let mut variables = BTreeMap::new();
        let steps = rules.iter().find_map(|rule| match &rule.pattern {
            None => Some(rule.steps.clone()),
            Some(pattern) => {
                let found = pattern.0.captures(&scene.message)?;
                for name in pattern.0.capture_names().flatten() {
                    let text = found.name(name).map_or("", |capture| capture.as_str().trim());
                    variables.insert(name.to_owned(), Value::from(text));
                }
                Some(rule.steps.clone())
            }
        });
        let children: Vec<&Cast> = scene.cast.iter().filter(|each| each.relation == "child").collect();
        variables.insert("children".into(), Value::from_serialize(&children));
        variables.insert("peers".into(), Value::from_serialize(&scene.cast));
        variables.insert("message".into(), Value::from(scene.message.as_str()));
        variables.insert("name".into(), Value::from(scene.name.as_str()));
        variables.insert("role".into(), Value::from(scene.role.as_str()));
        let words_in = words(&scene.message);
        let mut playing = Self {
            pace: script.map_or(0, |script| script.words_per_second),
            steps: Vec::new().into_iter(),
            cast: scene.cast,
            variables,
            pending: None,
            calls: 0,
            said: false,
            words_in,
            words_out: 0,
        };
        playing.steps = steps.unwrap_or_else(|| vec![Step::Reply(no_rule(&scene.message))]).into_iter();
        playing
    }

    fn fill(&self, template: &Template) -> String {
        template.fill(&Value::from_serialize(&self.variables))
    }

    async fn speak(&mut self, text: &str, voice: &dyn Voice) {
        if text.trim().is_empty() {
            return;
        }
        if self.said {
            voice.paragraph();
        }
        self.said = true;
        self.words_out += words(text);
        pace::speak(text, self.pace, voice).await;
    }

    fn store(&mut self, name: Option<String>, value: Value) {
        if let Some(name) = name {
            self.variables.insert(name, value);
        }
    }

    fn call(&mut self, tool: &str, input: serde_json::Value) -> ToolCall {
        self.calls += 1;
        ToolCall { id: format!("step_{}", self.calls), name: tool.to_owned(), input }
    }

    fn asking(&mut self, calls: Vec<ToolCall>, pending: Pending) -> Round {
        self.pending = Some(pending);
        Round { calls, usage: self.usage(), note: None }
    }

    /// The tokens since the last round.
    fn usage(&mut self) -> Usage {
        let tokens = |words: u64| words.saturating_mul(13).div_ceil(10);
        Usage {
            input_tokens: tokens(std::mem::take(&mut self.words_in)),
            output_tokens: tokens(std::mem::take(&mut self.words_out)),
        }
    }

    /// Takes in what the tools of the last step answered. `Some`: words that end the turn.
    fn absorb(&mut self, results: Vec<ToolResult>) -> Option<Template> {
        self.words_in += results.iter().map(|result| words(&result.text)).sum::<u64>();
        match self.pending.take()? {
            Pending::Text(store) => {
                let text = results.into_iter().find(|result| !result.is_error).map(|result| result.text);
                self.store(store, Value::from(text.unwrap_or_default()));
            }
            Pending::List(store) => {
                let list = results.into_iter().next().map(|result| result.data);
                self.store(
                    store,
                    Value::from_serialize(list.filter(serde_json::Value::is_array).unwrap_or_else(|| json!([]))),
                );
            }
            Pending::Replies { store, targets } => {
                let replies = targets.into_iter().zip(results).map(|(to, result)| {
                    json!({"id": to.id, "name": to.name, "role": to.role, "text": result.text, "ok": !result.is_error})
                });
                let replies: Vec<serde_json::Value> = replies.collect();
                self.store(store, Value::from_serialize(replies));
            }
            Pending::Verdict(asked) => {
                let approved = results.first().is_some_and(|result| !result.is_error);
                self.store(asked.store, Value::from(if approved { "approved" } else { "denied" }));
                if !approved {
                    return asked.on_denied;
                }
            }
        }
        None
    }

    fn delegate(&mut self, step: &Delegate) -> Option<Round> {
        let targets = self.targets(&step.to);
        if targets.is_empty() {
            self.store(step.store.clone(), Value::from_serialize(Vec::<String>::new()));
            return None;
        }
        let task = self.fill(&step.task);
        let calls = targets
            .iter()
            .map(|to| {
                let whom = if to.id.is_empty() { &to.name } else { &to.id };
                self.call("delegate_task", json!({"workspace_id": whom, "task": task}))
            })
            .collect();
        Some(self.asking(calls, Pending::Replies { store: step.store.clone(), targets }))
    }

    fn targets(&self, to: &Colleagues) -> Vec<Cast> {
        let named = |name: String| {
            self.cast.iter().find(|each| each.name.eq_ignore_ascii_case(name.trim())).cloned().unwrap_or(Cast {
                id: String::new(),
                name,
                role: String::new(),
                status: String::new(),
                relation: "",
            })
        };
        match to {
            Colleagues::One(one) if one.source().trim() == "children" => {
                self.cast.iter().filter(|each| each.relation == "child").cloned().collect()
            }
            Colleagues::One(one) => vec![named(self.fill(one))],
            Colleagues::Named(names) => names.iter().map(|name| named(self.fill(name))).collect(),
            Colleagues::ByRole(by) => self.cast.iter().filter(|each| by.role.0.is_match(&each.role)).cloned().collect(),
        }
    }
}

#[async_trait]
impl Conversation for Rehearsal {
    async fn next(&mut self, results: Vec<ToolResult>, voice: &dyn Voice) -> Result<Round, Fault> {
        if let Some(last_words) = self.absorb(results) {
            let text = self.fill(&last_words);
            self.speak(&text, voice).await;
            return Ok(Round { usage: self.usage(), ..Round::default() });
        }
        while let Some(step) = self.steps.next() {
            match step {
                Step::Say(text) => {
                    let text = self.fill(&text);
                    self.speak(&text, voice).await;
                }
                Step::Reply(text) => {
                    let text = self.fill(&text);
                    self.speak(&text, voice).await;
                    return Ok(Round { usage: self.usage(), ..Round::default() });
                }
                Step::WaitMs(ms) => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
                Step::Fail(fail) => {
                    let text = self.fill(&fail.text);
                    return Err(Fault { code: fail.code.into(), text, retry_after: None });
                }
                Step::ReadFile(read) => {
                    let path = self.fill(&read.path);
                    let call = self.call("read_file", json!({"path": path, "from": "config"}));
                    return Ok(self.asking(vec![call], Pending::Text(read.store)));
                }
                Step::Recall(recall) => {
                    let query = recall.query.as_ref().map(|query| self.fill(query)).unwrap_or_default();
                    let call =
                        self.call("recall_memory", json!({"query": query, "scope": recall.scope.unwrap_or_default()}));
                    return Ok(self.asking(vec![call], Pending::List(recall.store)));
                }
                Step::Remember(remember) => {
                    let content = self.fill(&remember.content);
                    let scope = remember.scope.unwrap_or_else(|| "LOCAL".into());
                    let call = self.call("commit_memory", json!({"content": content, "scope": scope}));
                    return Ok(self.asking(vec![call], Pending::Text(None)));
                }
                Step::Delegate(delegate) => {
                    if let Some(round) = self.delegate(&delegate) {
                        return Ok(round);
                    }
                }
                Step::AskApproval(ask) => {
                    let action = self.fill(&ask.action);
                    let reason = ask.reason.as_ref().map(|reason| self.fill(reason)).unwrap_or_default();
                    let call = self.call("ask_approval", json!({"action": action, "reason": reason}));
                    return Ok(self.asking(vec![call], Pending::Verdict(ask)));
                }
            }
        }
        Ok(Round { usage: self.usage(), ..Round::default() })
    }
}

/// The plain answer where no rule fits. The message is quoted as it is, never read as a template.
fn no_rule(message: &str) -> Template {
    let quoted = preview::ellipsis(message.trim(), 200);
    Template::literal(format!(
        "No rehearsal script covers this message: “{quoted}”. Add a rule under `rehearsal:` in this agent's config.yaml, or give the agent a model."
    ))
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests;
