//! The tools as a client's model reads them (10 §16.3).

use serde_json::{Map, Value, json};

/// Only offered where the person allowed it.
pub const SEND_MESSAGE: &str = "send_message_to_user";

struct Tool {
    name: &'static str,
    about: &'static str,
    arguments: &'static [Argument],
}

struct Argument {
    name: &'static str,
    required: bool,
    about: &'static str,
}

const fn needed(name: &'static str, about: &'static str) -> Argument {
    Argument { name, required: true, about }
}

const fn optional(name: &'static str, about: &'static str) -> Argument {
    Argument { name, required: false, about }
}

const TARGET: Argument = needed("workspace_id", "The id of the colleague, as list_peers gives it");
const TASK: Argument = needed("task", "What is to be done, with all that the colleague needs to know");

const TOOLS: [Tool; 8] = [
    Tool {
        name: "list_peers",
        about: "Lists the colleagues that you may talk to, with id, name, role, status and tier.",
        arguments: &[],
    },
    Tool {
        name: "get_workspace_info",
        about: "Tells your own id, name, role, tier, status and parent.",
        arguments: &[],
    },
    Tool {
        name: "delegate_task",
        about: "Hands a task to a colleague and waits for the reply, up to 30 seconds. A task that takes longer, or \
                waits because the colleague is busy, goes on; the text then says with which task_id to ask for it.",
        arguments: &[TARGET, TASK],
    },
    Tool {
        name: "delegate_task_async",
        about: "Hands a task to a colleague without waiting. Returns a task_id for check_task_status.",
        arguments: &[TARGET, TASK],
    },
    Tool {
        name: "check_task_status",
        about: "Tells how a delegated task stands, and its result once there is one. While it is queued or dispatched, \
                wait: it will be delivered, so neither repeat it nor do it yourself.",
        arguments: &[TARGET, needed("task_id", "The task_id that delegating the task returned")],
    },
    Tool {
        name: SEND_MESSAGE,
        about: "Sends a message into the person's chat.",
        arguments: &[needed("message", "What to say")],
    },
    Tool {
        name: "commit_memory",
        about: "Keeps a fact for later. Secrets in it are replaced before it is stored.",
        arguments: &[
            needed("content", "The fact"),
            optional("scope", "LOCAL for yourself (default) or TEAM for your team"),
        ],
    },
    Tool {
        name: "recall_memory",
        about: "Finds kept facts, newest first.",
        arguments: &[
            optional("query", "Text that the fact contains; everything when empty"),
            optional("scope", "LOCAL for your own, TEAM for your team's; your own of both when empty"),
        ],
    },
];

/// The tools that are offered.
pub fn list(send_message: bool) -> Vec<Value> {
    TOOLS.iter().filter(|tool| send_message || tool.name != SEND_MESSAGE).map(shape).collect()
}

fn shape(tool: &Tool) -> Value {
    let properties: Map<String, Value> = tool
        .arguments
        .iter()
        .map(|argument| (argument.name.to_owned(), json!({"type": "string", "description": argument.about})))
        .collect();
    let mut schema = json!({"type": "object", "properties": properties});
    let required: Vec<&str> = tool.arguments.iter().filter(|a| a.required).map(|a| a.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    json!({"name": tool.name, "description": tool.about, "inputSchema": schema})
}
