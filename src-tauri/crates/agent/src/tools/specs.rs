//! The tools as they are offered to a model.

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::models::ToolSpec;

fn spec(name: &'static str, description: &'static str, properties: Value, required: &[&str]) -> ToolSpec {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    ToolSpec { name, description, schema }
}

/// What this agent has: files and commands only where the person gave it a folder.
pub(crate) fn offered(agent: &Agent) -> Vec<ToolSpec> {
    let text = || json!({"type": "string"});
    let mut all = vec![
        spec(
            "delegate_task",
            "Hand a task to a colleague and wait for the answer. Call it several times at once to work in parallel.",
            json!({"workspace_id": {"type": "string", "description": "the colleague's id or name"}, "task": text()}),
            &["workspace_id", "task"],
        ),
        spec(
            "delegate_task_async",
            "Hand a task to a colleague without waiting. Answers an id for check_task_status.",
            json!({"workspace_id": text(), "task": text()}),
            &["workspace_id", "task"],
        ),
        spec(
            "check_task_status",
            "How far a task is that was handed over without waiting.",
            json!({"workspace_id": text(), "task_id": text()}),
            &["task_id"],
        ),
        spec("list_peers", "The colleagues you may talk to, with id, role and status.", json!({}), &[]),
        spec(
            "send_message_to_user",
            "Say something to the person now, before your answer is done. attachments: paths of files that go with it.",
            json!({"message": text(), "attachments": {"type": "array", "items": text()}}),
            &["message"],
        ),
        spec(
            "commit_memory",
            "Remember a fact: LOCAL for yourself, TEAM for your team.",
            json!({"content": text(), "scope": {"type": "string", "enum": ["LOCAL", "TEAM", "GLOBAL"]}}),
            &["content"],
        ),
        spec(
            "recall_memory",
            "What is remembered about something.",
            json!({"query": text(), "scope": {"type": "string", "enum": ["", "LOCAL", "TEAM", "GLOBAL"]}}),
            &["query"],
        ),
        spec(
            "ask_approval",
            "Ask the person before you do something that cannot be taken back, and wait for the answer. Changes of files and commands ask by themselves.",
            json!({"action": {"type": "string", "description": "what you want to do, in a few words"}, "reason": text()}),
            &["action"],
        ),
        spec(
            "read_file",
            "Read a text file: of the person's folder, or with from=config of your own notes.",
            json!({"path": text(), "from": {"type": "string", "enum": ["folder", "config"]}}),
            &["path"],
        ),
    ];
    if agent.folder.is_some() {
        all.extend([
            spec(
                "list_files",
                "What lies in a folder.",
                json!({"path": text(), "depth": {"type": "integer", "minimum": 1, "maximum": 5}}),
                &[],
            ),
            spec(
                "search_files",
                "Lines that fit a regular expression.",
                json!({"pattern": text(), "path": text(), "case_sensitive": {"type": "boolean"}}),
                &["pattern"],
            ),
        ]);
    }
    if agent.may_write() {
        all.extend([
            spec(
                "write_file",
                "Write a whole file. The person is shown the change and decides.",
                json!({"path": text(), "content": text(), "reason": text()}),
                &["path", "content"],
            ),
            spec(
                "edit_file",
                "Replace a passage that occurs exactly once. The person is shown the change and decides.",
                json!({"path": text(), "old": text(), "new": text(), "reason": text()}),
                &["path", "old", "new"],
            ),
        ]);
    }
    if agent.may_run() {
        all.extend([
            spec("run_command", "Run a shell command in the folder. The person is shown it and decides.",
                json!({"command": text(), "cwd": text(), "timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 600}, "reason": text()}),
                &["command"]),
        ]);
    }
    all
}
