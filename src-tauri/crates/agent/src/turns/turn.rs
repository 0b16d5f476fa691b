//! One turn as others see it: its events, its ending, and what it has out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_a2a::wire::{Artifact, Event, Message, Part, Task, TaskState};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use super::log::{self, Happening, Log, REPLY};
use crate::agent::Agent;
use crate::models::{Fault, ToolCall, Usage, Utterance, Voice};
use crate::platform::{Letter, Peer};
use crate::tools;

/// Calls that are kept for the trace (40 §10.5).
const TRACE_LIMIT: usize = 200;

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    pub id: String,
    pub context_id: String,
    pub text: String,
    /// Earlier words that came with it; they replace what was kept (40 §10.5).
    pub history: Vec<Utterance>,
}

/// How a turn ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// With an answer.
    Answered(Box<Message>),
    /// With a fault.
    Failed(Fault),
    /// It was called off.
    Canceled,
}

/// A tool that was run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub id: String,
    pub tool: String,
    pub input: String,
    pub output_preview: String,
    pub is_error: bool,
    pub elapsed_ms: u64,
    pub target: Option<tools::Target>,
}

impl Step {
    fn trace(&self) -> Value {
        let mut entry = json!({
            "tool": self.tool, "input": self.input, "output_preview": self.output_preview,
            "status": if self.is_error { "error" } else { "ok" }, "elapsed_ms": self.elapsed_ms,
        });
        if let Some(target) = &self.target {
            entry["target_id"] = json!(target.id);
            entry["target_name"] = json!(target.name);
        }
        entry
    }
}

#[derive(Default)]
struct State {
    log: Log,
    ending: Option<Ending>,
    text: String,
    /// The next words begin a new paragraph.
    paragraph_due: bool,
    trace: Vec<Step>,
    /// Per call: its place in the order of beginning, and how many characters of the answer stood then. A
    /// screen that reads the answer later puts words and calls into the order in which they happened (S172).
    offsets: BTreeMap<String, (usize, usize)>,
    usage: Usage,
    /// Letters that are out: message → target.
    letters: BTreeMap<String, String>,
    questions: Vec<String>,
}

/// One turn.
pub(crate) struct Turn {
    incoming: Incoming,
    state: Mutex<State>,
    grown: watch::Sender<usize>,
    stop: CancellationToken,
    peers: OnceCell<Vec<Peer>>,
}

impl Turn {
    pub(super) fn new(incoming: Incoming) -> Self {
        let turn = Self {
            incoming,
            state: Mutex::default(),
            grown: watch::Sender::new(0),
            stop: CancellationToken::new(),
            peers: OnceCell::new(),
        };
        turn.add(Happening::Taken);
        turn
    }

    /// A turn that was answered before this process began.
    pub(super) fn answered_before(incoming: Incoming, message: Message) -> Self {
        let turn = Self::new(incoming);
        turn.say(&message.text());
        turn.finish(TaskState::Completed, Ending::Answered(Box::new(message.clone())), Some(message));
        turn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> &str {
        &self.incoming.id
    }

    pub(crate) fn context_id(&self) -> &str {
        &self.incoming.context_id
    }

    pub(super) const fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    /// Who the agent may talk to, as it was when the turn first asked and was told.
    pub(crate) async fn peers(&self, agent: &Agent) -> &[Peer] {
        self.peers.get_or_try_init(|| agent.platform.peers()).await.map_or(&[], Vec::as_slice)
    }

    // Events.

    fn add(&self, what: Happening) {
        let count = self.state().log.add(what);
        self.grown.send_replace(count);
    }

    /// The event at `at`; waits for it. `None`: the turn is over and there is none.
    pub(crate) async fn event(&self, at: usize) -> Option<Event> {
        let mut grown = self.grown.subscribe();
        loop {
            let (found, over) = {
                let state = self.state();
                (state.log.get(at), state.ending.is_some())
            };
            if let Some((when, what)) = found {
                return Some(log::event(self, at, when, &what));
            }
            if over {
                return None;
            }
            grown.changed().await.ok()?;
        }
    }

    /// Gives up what only a running turn needs.
    pub(super) fn compact(&self) {
        let mut state = self.state();
        state.log.compact();
        state.trace = Vec::new();
        state.offsets = BTreeMap::new();
    }

    pub(super) fn working(&self) {
        self.add(Happening::Status(TaskState::Working, None));
    }

    /// A status with something for a screen.
    pub(super) fn progress(&self, state: TaskState, data: Value) {
        self.add(Happening::Status(state, Some(Box::new(data))));
    }

    /// A tool begins.
    pub(crate) fn show_call(&self, call: &ToolCall, target: Option<&tools::Target>) {
        {
            let mut state = self.state();
            let said = state.text.chars().count();
            let nth = state.offsets.len();
            state.offsets.insert(call.id.clone(), (nth, said));
        }
        let input = tools::shown_input(&call.input);
        let mut data = json!({"type": "tool_call", "phase": "start", "id": call.id, "tool": call.name, "input": input});
        if let Some(target) = target {
            data["target_id"] = json!(target.id);
            data["target_name"] = json!(target.name);
        }
        self.progress(TaskState::Working, data);
    }

    /// A tool ended.
    pub(crate) fn show_end(&self, step: Step) {
        let mut data = step.trace();
        data["type"] = json!("tool_call");
        data["phase"] = json!("end");
        data["id"] = json!(step.id);
        {
            let mut state = self.state();
            if state.trace.len() < TRACE_LIMIT {
                state.trace.push(step);
            }
        }
        self.progress(TaskState::Working, data);
    }

    pub(super) fn count(&self, usage: Usage) {
        self.state().usage += usage;
    }

    pub(super) fn remark(&self, note: &str) {
        self.paragraph();
        self.say(note);
    }

    // Endings.

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state().ending.clone()
    }

    /// Waits for the ending.
    pub(crate) async fn ended(&self) -> Ending {
        let mut grown = self.grown.subscribe();
        loop {
            if let Some(ending) = self.ending() {
                return ending;
            }
            if grown.changed().await.is_err() {
                return Ending::Canceled;
            }
        }
    }

    /// The message that a finished turn is told in.
    fn message(&self, text: &str) -> Message {
        let state = self.state();
        // Calls that ran side by side are noted as they end, and told as they began.
        let mut steps: Vec<&Step> = state.trace.iter().collect();
        steps.sort_by_key(|step| state.offsets.get(&step.id).map(|(nth, _)| *nth));
        let trace: Vec<Value> = steps
            .into_iter()
            .map(|step| {
                let mut entry = step.trace();
                if let Some((_, said)) = state.offsets.get(&step.id) {
                    entry["text_offset"] = json!(said);
                }
                entry
            })
            .collect();
        let mut message = Message::agent(uuid::Uuid::new_v4().to_string(), text).within(self.context_id(), self.id());
        if !trace.is_empty() {
            message = message.with_metadata("tool_trace", trace);
        }
        message.extra.insert("usage".into(), json!(state.usage));
        message
    }

    pub(super) fn text(&self) -> String {
        self.state().text.clone()
    }

    /// Ends with what was said, and with these files; answers the message.
    pub(super) fn answer(&self, files: Vec<Part>) -> Message {
        let text = self.text();
        let mut message = self.message(if text.trim().is_empty() { "(The agent had nothing to say.)" } else { &text });
        message.parts.extend(files);
        self.finish(TaskState::Completed, Ending::Answered(Box::new(message.clone())), Some(message.clone()));
        message
    }

    pub(super) fn fail(&self, fault: Fault) {
        let mut error = json!({"code": fault.code});
        if let Some(seconds) = fault.retry_after {
            error["retry_after"] = json!(seconds);
        }
        let mut message = self.message(&fault.text).with_metadata("error", error);
        let partial = self.text();
        if !partial.is_empty() {
            message = message.with_metadata("partial_text", partial);
        }
        self.finish(TaskState::Failed, Ending::Failed(fault), Some(message));
    }

    pub(super) fn canceled(&self) {
        let text = self.text();
        let message = (!text.is_empty()).then(|| self.message(&text));
        self.finish(TaskState::Canceled, Ending::Canceled, message);
    }

    /// The first ending counts.
    fn finish(&self, state: TaskState, ending: Ending, message: Option<Message>) {
        let mut guard = self.state();
        if guard.ending.is_some() {
            return;
        }
        let count = guard.log.add(Happening::Over(state, message.map(Box::new)));
        guard.ending = Some(ending);
        drop(guard);
        self.grown.send_replace(count);
    }

    /// The task as `tasks/get` shows it.
    pub(crate) fn task(&self) -> Task {
        let state = self.state();
        let mut task = Task::new(self.id(), self.context_id(), state.log.status(self));
        if !state.text.is_empty() {
            task.artifacts = Some(vec![Artifact::new(REPLY, vec![Part::text(state.text.clone())])]);
        }
        task
    }

    // Calling off.

    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    pub(super) const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Notes a letter that is out, until the guard is dropped.
    pub(crate) fn letter_out(&self, letter: &Letter) -> Out<'_> {
        self.state().letters.insert(letter.message_id.clone(), letter.target_id.clone());
        Out { turn: self, message_id: letter.message_id.clone() }
    }

    pub(super) fn question_out(&self, id: &str) {
        self.state().questions.push(id.to_owned());
    }

    pub(super) fn question_answered(&self, id: &str) {
        self.state().questions.retain(|open| open != id);
    }

    /// What a turn that was called off leaves behind: letters (target, message) and questions.
    pub(super) fn left_out(&self) -> (Vec<(String, String)>, Vec<String>) {
        let mut state = self.state();
        let letters =
            std::mem::take(&mut state.letters).into_iter().map(|(message, target)| (target, message)).collect();
        (letters, std::mem::take(&mut state.questions))
    }
}

/// A letter that is out.
pub(crate) struct Out<'a> {
    turn: &'a Turn,
    message_id: String,
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        // Where the turn was called off the letter stays noted, so that the colleague is told.
        if !self.turn.stop.is_cancelled() {
            self.turn.state().letters.remove(&self.message_id);
        }
    }
}

impl Voice for Turn {
    fn say(&self, delta: &str) {
        if delta.is_empty() {
            return;
        }
        let mut state = self.state();
        let due = std::mem::take(&mut state.paragraph_due) && !state.text.is_empty();
        let words: Box<str> = if due { format!("\n\n{delta}").into() } else { delta.into() };
        let append = !state.text.is_empty();
        state.text.push_str(&words);
        let count = state.log.add(Happening::Said(words, append));
        drop(state);
        self.grown.send_replace(count);
    }

    fn paragraph(&self) {
        self.state().paragraph_due = true;
    }
}

/// Who holds a turn beside the registry.
pub(super) fn is_watched(turn: &Arc<Turn>) -> bool {
    Arc::strong_count(turn) > 1
}
