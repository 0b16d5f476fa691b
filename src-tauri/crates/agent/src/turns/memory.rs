//! What was said before, by conversation: in memory, and in a file of the config folder across restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use molecule_a2a::wire::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::models::{Speaker, Utterance};

/// Turns of one conversation that are kept.
const TURNS: usize = 20;
/// Conversations that are kept.
const CONVERSATIONS: usize = 50;
/// Longest message of a turn that is kept, in bytes of JSON; a longer one is kept without its trace.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// One answered turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Said {
    /// The message's id.
    id: String,
    /// When it was answered, R-1.
    at: String,
    question: String,
    answer: Message,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Talk {
    /// Grows with every turn of any conversation, to find the one that rested longest.
    last: u64,
    turns: Vec<Said>,
}

/// The conversations of this agent.
pub(crate) struct Memory {
    file: PathBuf,
    talks: Mutex<BTreeMap<String, Talk>>,
}

impl Memory {
    /// As the file says; a file that cannot be read is no conversation.
    pub(crate) fn in_folder(config_dir: &Path) -> Self {
        let file = config_dir.join(".history.json");
        let talks = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, talks: Mutex::new(talks) }
    }

    fn talks(&self) -> MutexGuard<'_, BTreeMap<String, Talk>> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said in this conversation, oldest first.
    pub(super) fn of(&self, context_id: &str) -> Vec<Utterance> {
        let talks = self.talks();
        let turns = talks.get(context_id).map(|talk| talk.turns.as_slice()).unwrap_or_default();
        let said = |speaker, text: String| Utterance { speaker, text };
        let turn = |turn: &Said| [said(Speaker::User, turn.question.clone()), said(Speaker::Agent, turn.answer.text())];
        turns.iter().flat_map(turn).collect()
    }

    /// The answer that was given to this message.
    pub(super) fn answer_to(&self, id: &str) -> Option<Message> {
        let talks = self.talks();
        let said = talks.values().flat_map(|talk| &talk.turns).find(|said| said.id == id)?;
        Some(said.answer.clone())
    }

    /// Keeps one answered turn.
    pub(super) fn keep(&self, context_id: &str, id: &str, question: String, mut answer: Message) {
        if serde_json::to_vec(&answer).is_ok_and(|bytes| bytes.len() > MESSAGE_LIMIT) {
            answer.metadata = None;
        }
        let at = crate::clock::now().to_string();
        let mut talks = self.talks();
        let last = talks.values().map(|talk| talk.last).max().unwrap_or(0) + 1;
        let talk = talks.entry(context_id.to_owned()).or_default();
        talk.last = last;
        talk.turns.push(Said { id: id.to_owned(), at, question, answer });
        let over = talk.turns.len().saturating_sub(TURNS);
        talk.turns.drain(..over);
        if talks.len() > CONVERSATIONS {
            let oldest = talks.iter().min_by_key(|(_, talk)| talk.last).map(|(id, _)| id.clone());
            oldest.map(|id| talks.remove(&id));
        }
        // Written under the lock: two turns that end together must not write an older state last.
        let bytes = serde_json::to_vec(&*talks).unwrap_or_default();
        if let Err(error) = crate::platform::write_private(&self.file, &bytes) {
            tracing::warn!(kind = ?error.kind(), "the conversation was not kept");
        }
    }

    /// Every kept turn as lines of a transcript (40 §9), in the order in which they were answered.
    pub(crate) fn transcript(&self) -> Vec<Value> {
        let talks = self.talks();
        let mut turns: Vec<(&String, &Said)> =
            talks.iter().flat_map(|(context, talk)| talk.turns.iter().map(move |said| (context, said))).collect();
        turns.sort_by(|(_, a), (_, b)| a.at.cmp(&b.at));
        let lines = turns.into_iter().flat_map(|(context, said)| {
            let line = |kind: &str, more: Value| {
                let mut line =
                    json!({"type": kind, "timestamp": said.at, "context_id": context, "message_id": said.id});
                if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
                    line.extend(more);
                }
                line
            };
            let trace =
                said.answer.metadata.as_ref().and_then(|metadata| metadata.get("tool_trace")?.as_array().cloned());
            let tools = trace.unwrap_or_default().into_iter().map(|step| line("tool", step)).collect::<Vec<_>>();
            std::iter::once(line("user", json!({"text": said.question})))
                .chain(tools)
                .chain([line("agent", json!({"text": said.answer.text(), "usage": said.answer.extra.get("usage")}))])
                .collect::<Vec<_>>()
        });
        lines.collect()
    }

    /// What the agent was doing when it stopped (40 §18), for whoever looks.
    pub(crate) fn snapshot(&self, agent: &Agent) {
        let (active_tasks, current_task) = agent.presence.now();
        let snapshot = json!({
            "workspace_id": agent.platform.workspace_id(), "timestamp": crate::clock::now(),
            "current_task": molecule_model::redact::redact(&current_task), "active_tasks": active_tasks,
            "uptime_seconds": agent.presence.uptime().as_secs(), "session_id": "", "adapter": {},
        });
        let file = self.file.with_file_name(".agent_snapshot.json");
        if let Err(error) = crate::platform::write_private(&file, snapshot.to_string().as_bytes()) {
            tracing::warn!(kind = ?error.kind(), "no snapshot");
        }
    }
}

#[cfg(test)]
mod tests {
    use molecule_a2a::wire::Message;

    use super::{CONVERSATIONS, Memory, TURNS};

    #[test]
    fn a_conversation_survives_a_restart_and_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::in_folder(dir.path());
        let answer = |n: usize| Message::agent(format!("m{n}"), format!("a{n}"));
        for n in 0..TURNS + 5 {
            memory.keep("c", &format!("id{n}"), format!("q{n}"), answer(n));
        }
        let again = Memory::in_folder(dir.path());
        let said = again.of("c");
        assert_eq!(said.len(), TURNS * 2);
        assert_eq!((said[0].text.as_str(), said[1].text.as_str()), ("q5", "a5"));
        assert_eq!(again.answer_to("id7").unwrap().text(), "a7");
        assert!(again.answer_to("id4").is_none());
        for n in 0..CONVERSATIONS + 3 {
            again.keep(&format!("c{n}"), "x", "q".into(), answer(n));
        }
        assert!(again.of("c").is_empty());
        assert_eq!(again.of(&format!("c{}", CONVERSATIONS + 2)).len(), 2);
    }

    #[test]
    fn the_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        Memory::in_folder(dir.path()).keep("c", "id", "q".into(), Message::agent("m", "a"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join(".history.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_transcript_tells_questions_tools_and_answers_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::in_folder(dir.path());
        let answer =
            Message::agent("m", "a").with_metadata("tool_trace", serde_json::json!([{"tool": "look", "input": "{}"}]));
        memory.keep("c", "id", "q".into(), answer);
        let lines = memory.transcript();
        let kinds: Vec<_> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["user", "tool", "agent"]);
        assert_eq!((lines[0]["text"].as_str(), lines[1]["tool"].as_str()), (Some("q"), Some("look")));
    }
}
