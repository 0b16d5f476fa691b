//! What was said before, by conversation: in memory, and in a file of the config folder across restarts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::agent::Agent;
use crate::models::{Speaker, Utterance};

/// Turns of one conversation that are kept.
const TURNS: usize = 20;
/// Conversations that are kept.
const CONVERSATIONS: usize = 50;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Talk {
    /// Grows with every turn of any conversation, to find the one that rested longest.
    last: u64,
    turns: Vec<(String, String)>,
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

    /// What was said in this conversation, oldest first.
    pub(super) fn of(&self, context_id: &str) -> Vec<Utterance> {
        let talks = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = talks.get(context_id).map(|talk| talk.turns.as_slice()).unwrap_or_default();
        let said = |speaker, text: &String| Utterance { speaker, text: text.clone() };
        turns.iter().flat_map(|(user, agent)| [said(Speaker::User, user), said(Speaker::Agent, agent)]).collect()
    }

    /// Keeps one turn.
    pub(super) fn keep(&self, context_id: &str, user: String, agent: String) {
        let bytes = {
            let mut talks = self.talks.lock().unwrap_or_else(PoisonError::into_inner);
            let last = talks.values().map(|talk| talk.last).max().unwrap_or(0) + 1;
            let talk = talks.entry(context_id.to_owned()).or_default();
            talk.last = last;
            talk.turns.push((user, agent));
            let over = talk.turns.len().saturating_sub(TURNS);
            talk.turns.drain(..over);
            if talks.len() > CONVERSATIONS {
                let oldest = talks.iter().min_by_key(|(_, talk)| talk.last).map(|(id, _)| id.clone());
                oldest.map(|id| talks.remove(&id));
            }
            serde_json::to_vec(&*talks).unwrap_or_default()
        };
        if let Err(error) = crate::platform::write_private(&self.file, &bytes) {
            tracing::warn!(kind = ?error.kind(), "the conversation was not kept");
        }
    }

    /// What the agent was doing when it stopped (40 §18), for whoever looks.
    pub(crate) fn snapshot(&self, agent: &Agent) {
        let (active_tasks, current_task) = agent.presence.now();
        let snapshot = json!({
            "workspace_id": agent.platform.workspace_id(), "timestamp": crate::clock::now(),
            "current_task": molecule_model::redact::redact(&current_task), "active_tasks": active_tasks,
            "uptime_seconds": agent.presence.uptime().as_secs(),
        });
        let file = self.file.with_file_name(".agent_snapshot.json");
        if let Err(error) = crate::platform::write_private(&file, snapshot.to_string().as_bytes()) {
            tracing::warn!(kind = ?error.kind(), "no snapshot");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONVERSATIONS, Memory, TURNS};

    #[test]
    fn a_conversation_survives_a_restart_and_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::in_folder(dir.path());
        for n in 0..TURNS + 5 {
            memory.keep("c", format!("q{n}"), format!("a{n}"));
        }
        let again = Memory::in_folder(dir.path());
        let said = again.of("c");
        assert_eq!(said.len(), TURNS * 2);
        assert_eq!(said[0].text, "q5");
        for n in 0..CONVERSATIONS + 3 {
            again.keep(&format!("c{n}"), "q".into(), "a".into());
        }
        assert!(again.of("c").is_empty());
        assert_eq!(again.of(&format!("c{}", CONVERSATIONS + 2)).len(), 2);
    }
}
