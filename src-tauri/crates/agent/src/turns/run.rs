//! Working on a turn: the rounds between a model and its tools.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use super::{Incoming, Turn, files};
use crate::agent::Agent;
use crate::models::rehearsal::{Cast, Rehearsal, Scene};
use crate::models::{
    Choice, Conversation, Fault, Opening, Speaker, ToolResult, Transport, Utterance, Voice, converse, provider,
};
use crate::platform::Peer;
use crate::profile::Profile;
use crate::{prompt, tools};

/// Rounds of tools of one turn at most.
const MOST_ROUNDS: usize = 50;
/// Written before the first prompt is sent, so that it is sent once (40 §2).
const PROMPTED: &str = ".initial_prompt_done";

/// The turn of this message: the one that works on it already, or a new one.
pub(crate) fn begin(agent: &Arc<Agent>, incoming: Incoming) -> Arc<Turn> {
    let (turn, fresh) = agent.turns.open(incoming, |id| agent.memory.answer_to(id));
    if fresh {
        agent.turns.work.spawn(work(Arc::clone(agent), Arc::clone(&turn)));
    }
    turn
}

async fn work(agent: Arc<Agent>, turn: Arc<Turn>) {
    let outcome = tokio::select! {
        // First: a turn that is called off does nothing more, not even where it just came to its end.
        biased;
        () = turn.stop().cancelled() => None,
        outcome = AssertUnwindSafe(talk(&agent, &turn)).catch_unwind() => Some(outcome.unwrap_or_else(|_| Err(broken()))),
    };
    match outcome {
        None => {
            turn.canceled();
            call_off(&agent, &turn).await;
        }
        Some(Ok(())) => {
            agent.presence.ended(None);
            let message = turn.answer(files::spoken_of(&agent, &turn.text()));
            agent.memory.keep(turn.context_id(), turn.id(), turn.incoming().text.clone(), message);
        }
        Some(Err(fault)) => {
            tracing::warn!(code = %fault.code, "a turn failed");
            agent.presence.ended(Some(&fault.text));
            turn.fail(fault);
        }
    }
}

/// A defect of ours; the panic itself is in the log.
fn broken() -> Fault {
    Fault::new("internal", "Something inside the agent broke. Send the message again.")
}

/// Tells colleagues and the person that it is over.
async fn call_off(agent: &Agent, turn: &Turn) {
    let (letters, questions) = turn.left_out();
    let letters = letters.iter().map(|(target, message)| agent.platform.call_off(target, message));
    let questions = questions.iter().map(|question| async {
        if let Err(fault) = agent.platform.withdraw(question).await {
            tracing::debug!(error = %fault, "a question was not taken back");
        }
    });
    join(join_all(letters), join_all(questions)).await;
}

async fn talk(agent: &Arc<Agent>, turn: &Arc<Turn>) -> Result<(), Fault> {
    let place = agent.turns.places.outside();
    place.enter().await;
    turn.working();
    let _busy = agent.presence.begin(&turn.incoming().text);
    let profile = Profile::load(&agent.config.config_dir).map_err(|fault| {
        Fault::new(
            "config_invalid",
            format!("This agent's configuration cannot be read: {fault}. Correct it and send the message again."),
        )
    })?;
    let mut conversation = open(agent, turn, &profile).await?;
    let scope = tools::Scope { agent: Arc::clone(agent), turn: Arc::clone(turn) };
    let mut results: Vec<ToolResult> = Vec::new();
    for tool_rounds in 0.. {
        let round = conversation.next(std::mem::take(&mut results), turn.as_ref()).await?;
        turn.count(round.usage);
        if let Some(note) = round.note {
            turn.remark(note);
        }
        if round.calls.is_empty() {
            return Ok(());
        }
        if tool_rounds == MOST_ROUNDS {
            break;
        }
        turn.paragraph();
        let waits = round.calls.iter().any(|call| tools::waits(&call.name));
        if waits {
            place.leave();
        }
        results = tools::run_all(&scope, round.calls).await;
        if waits {
            place.enter().await;
        }
    }
    Err(Fault::new(
        "too_many_rounds",
        format!(
            "The agent used its tools {MOST_ROUNDS} times without coming to an end and was stopped. Ask for less at once."
        ),
    ))
}

async fn open(agent: &Arc<Agent>, turn: &Turn, profile: &Profile) -> Result<Box<dyn Conversation>, Fault> {
    let overrides = &agent.config.overrides;
    let slug = profile.model(overrides.model.as_deref());
    let message = turn.incoming().text.clone();
    let endpoint = match provider::choose(slug, &agent.config.models)? {
        Choice::Rehearsal => {
            let peers = turn.peers(agent).await;
            let scene = Scene {
                message,
                name: overrides.name.clone().unwrap_or_else(|| profile.name.clone()),
                role: overrides.role.clone().unwrap_or_else(|| profile.role.clone()),
                cast: peers.iter().map(cast).collect(),
            };
            return Ok(Box::new(Rehearsal::begin(profile.rehearsal.as_ref(), scene)));
        }
        Choice::Model(endpoint) => endpoint,
    };
    let peers = turn.peers(agent).await;
    let history = turn.incoming().history.clone();
    let opening = Opening {
        system: prompt::system(agent, profile, peers).await,
        history: if history.is_empty() { agent.memory.of(turn.context_id()) } else { history },
        message,
        tools: tools::offered(agent),
        max_output_tokens: agent.config.max_output_tokens,
    };
    let timing = &agent.config.timing;
    let transport = Transport { silence: timing.model_silence, retry: timing.model_retry };
    Ok(converse(transport, endpoint, &opening))
}

fn cast(peer: &Peer) -> Cast {
    Cast {
        id: peer.id.clone(),
        name: peer.name.clone(),
        role: peer.role.clone(),
        status: peer.status.clone(),
        relation: peer.relation.as_str(),
    }
}

/// Sends the first prompt to this agent itself, once in its life and through the platform, so that it is
/// logged like any other message (40 §3 step 11).
pub(crate) async fn initial(agent: Arc<Agent>) {
    agent.registered.cancelled().await;
    let Ok(profile) = Profile::load(&agent.config.config_dir) else { return };
    let from_file = || {
        let name = Some(profile.initial_prompt_file.as_str()).filter(|name| !name.is_empty())?;
        agent.configs.as_ref()?.read_text(name, 64 * 1024).ok()
    };
    let text = Some(profile.initial_prompt.clone()).filter(|text| !text.trim().is_empty()).or_else(from_file);
    let Some(text) = text else { return };
    let marker = agent.config.config_dir.join(PROMPTED);
    if marker.exists() || std::fs::write(&marker, b"").is_err() {
        return;
    }
    let sent = agent.platform.prompt_self(&text, agent.config.timing.delegation_retry).await;
    tracing::info!(delivered = sent.is_ok(), "the initial prompt was sent");
}

/// Earlier words that came with a message (40 §10.5).
pub(crate) fn history(params: &serde_json::Value) -> Vec<Utterance> {
    let entries = params["metadata"]["history"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let text = molecule_a2a::reply::message_text(entry)?;
            let speaker = if entry["role"]
                .as_str()
                .is_some_and(|role| role.eq_ignore_ascii_case("user") || role == "ROLE_USER")
            {
                Speaker::User
            } else {
                Speaker::Agent
            };
            Some(Utterance { speaker, text })
        })
        .collect()
}
