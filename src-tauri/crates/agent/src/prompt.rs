//! The system prompt, in the order of 40 §14.

use crate::agent::Agent;
use crate::platform::{Peer, Relation};
use crate::profile::Profile;

/// Longest file that goes into a prompt, bytes.
const FILE_LIMIT: u64 = 256 * 1024;

/// What always stands at the end.
const ADVICE: &str = "When a delegated task fails, say so plainly, say what you know without it, and do not invent the answer. \
                      A task that is queued will be delivered: do not send it again and do not do it yourself.";

const COORDINATOR: &str = "You lead a team. Hand work to the members below with delegate_task, to several at once where it can be done \
                           in parallel, then join what they answer into one reply of your own. Attribute findings by name. Never pass a raw error on.";

/// Builds it from what is there now.
pub(crate) async fn system(agent: &Agent, profile: &Profile, peers: &[Peer]) -> String {
    let (instructions, shared) = tokio::join!(agent.platform.instructions(), agent.platform.parent_context());
    let mut parts = vec![instructions];
    let read = |name: &str| agent.configs.as_ref().and_then(|folder| folder.read_text(name, FILE_LIMIT).ok());
    let default = [String::from("system-prompt.md")];
    let files = if profile.prompt_files.is_empty() { &default[..] } else { &profile.prompt_files[..] };
    parts.extend(files.iter().filter_map(|name| read(name)));
    parts.extend(["MEMORY.md", "USER.md"].iter().filter_map(|name| read(name)));
    if !shared.is_empty() {
        let files: Vec<String> = shared.iter().map(|(path, text)| format!("### {path}\n{text}")).collect();
        parts.push(format!("## Context from your lead\n\n{}", files.join("\n\n")));
    }
    for skill in agent.skills(profile) {
        parts.push(format!("## Skill: {}\n\n{}\n\n{}", skill.name, skill.description, skill.body));
    }
    parts.push(colleagues(peers));
    parts.push(notes(agent, files));
    if agent.folder.is_some() {
        let rule = if agent.may_write() {
            "You work in a folder of the person's. Read before you change. Every change and every command is shown to the person first."
        } else {
            "You may read a folder of the person's, and change nothing there."
        };
        parts.push(rule.to_owned());
    }
    parts.push(ADVICE.to_owned());
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n\n")
}

/// Files beside the configuration that the prompt does not hold already.
fn notes(agent: &Agent, in_prompt: &[String]) -> String {
    let listing = agent.configs.as_ref().and_then(|folder| folder.list("", 3).ok()).unwrap_or_default();
    let known = |path: &str| {
        path.starts_with("skills/")
            || ["MEMORY.md", "USER.md"].contains(&path)
            || in_prompt.iter().any(|name| name == path)
    };
    let text = |path: &&String| [".md", ".txt"].iter().any(|end| path.ends_with(end)) && !known(path);
    let names: Vec<&str> = listing.entries.iter().filter(text).map(String::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("You have notes of your own; read_file with from=config reads them: {}.", names.join(", "))
}

fn colleagues(peers: &[Peer]) -> String {
    let known: Vec<&Peer> = peers.iter().filter(|peer| peer.has_card).collect();
    if known.is_empty() {
        return String::new();
    }
    let line = |peer: &&Peer| {
        let skills =
            if peer.skills.is_empty() { String::new() } else { format!(", skills: {}", peer.skills.join(", ")) };
        format!(
            "- {} (id {}, your {}, {}): {}{skills}",
            peer.name,
            peer.id,
            peer.relation.as_str(),
            peer.status,
            peer.role
        )
    };
    let list: Vec<String> = known.iter().map(line).collect();
    let leads = known.iter().any(|peer| peer.relation == Relation::Child);
    let intro = if leads {
        COORDINATOR
    } else {
        "These are your colleagues; ask them with delegate_task where they know more."
    };
    format!("## Colleagues\n\n{intro}\n\n{}", list.join("\n"))
}
