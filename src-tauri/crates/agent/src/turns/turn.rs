//! One turn as others see it: its events, its ending, and what it has out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use molecule_a2a::wire::{Artifact, ArtifactUpdate, Event, Message, Part, StatusUpdate, Task, TaskState, TaskStatus};
use molecule_model::{Timestamp, preview};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::models::{Fault, ToolCall, Usage, Utterance, Voice};
use crate::platform::{Decision, Letter, Peer, Question};
use crate::tools;

/// The name of the artifact that an answer grows in.
const REPLY: &str = "reply";
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
    events: Vec<Arc<Event>>,
    ending: Option<Ending>,
    text: String,
    trace: Vec<Step>,
    /// Per call: how many characters of the answer stood when it began. A screen that reads the answer later puts
    /// words and calls into the order in which they happened (S172).
    offsets: BTreeMap<String, usize>,
    usage: Usage,
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
        turn.emit(Event::Task(Task::new(turn.id(), turn.context_id(), status(TaskState::Submitted))));
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

    /// Who the agent may talk to, as it was when the turn first asked.
    pub(crate) async fn peers(&self, agent: &Agent) -> &[Peer] {
        self.peers.get_or_init(|| async { agent.platform.peers().await.unwrap_or_default() }).await
    }

    // Events.

    fn emit(&self, event: Event) {
        let mut state = self.state();
        state.events.push(Arc::new(event));
        let count = state.events.len();
        drop(state);
        self.grown.send_replace(count);
    }

    /// The event at `at`; waits for it. `None`: the turn is over and there is none.
    pub(crate) async fn event(&self, at: usize) -> Option<Arc<Event>> {
        let mut grown = self.grown.subscribe();
        loop {
            {
                let state = self.state();
                if let Some(event) = state.events.get(at) {
                    return Some(Arc::clone(event));
                }
                if state.ending.is_some() {
                    return None;
                }
            }
            grown.changed().await.ok()?;
        }
    }

    fn update(&self, status: TaskStatus, last: bool) {
        self.emit(Event::Status(StatusUpdate {
            task_id: self.id().to_owned(),
            context_id: self.context_id().to_owned(),
            status,
            last,
            ..StatusUpdate::default()
        }));
    }

    pub(super) fn working(&self) {
        self.update(status(TaskState::Working), false);
    }

    fn progress(&self, state: TaskState, data: Value) {
        let message =
            Message::new(molecule_a2a::wire::Role::Agent, uuid::Uuid::new_v4().to_string(), vec![Part::data(data)])
                .within(self.context_id(), self.id());
        self.update(status(state).saying(message), false);
    }

    /// A tool begins.
    pub(crate) fn show_call(&self, call: &ToolCall, target: Option<&tools::Target>, most: usize) {
        {
            let mut state = self.state();
            let said = state.text.chars().count();
            state.offsets.insert(call.id.clone(), said);
        }
        let input = preview::preview(&tools::shown_input(&call.input), most);
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
        let trace: Vec<Value> = state
            .trace
            .iter()
            .map(|step| {
                let mut entry = step.trace();
                if let Some(said) = state.offsets.get(&step.id) {
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

    pub(super) fn answer(&self) {
        let text = self.text();
        let message = self.message(if text.trim().is_empty() { "(The agent had nothing to say.)" } else { &text });
        self.finish(TaskState::Completed, Ending::Answered(Box::new(message.clone())), Some(message));
    }

    pub(super) fn fail(&self, fault: Fault) {
        let mut error = json!({"code": fault.code});
        if let Some(seconds) = fault.retry_after {
            error["retry_after"] = json!(seconds);
        }
        let message = self.message(&fault.text).with_metadata("error", error);
        self.finish(TaskState::Failed, Ending::Failed(fault), Some(message));
    }

    pub(super) fn canceled(&self) {
        let text = self.text();
        let message = (!text.is_empty()).then(|| self.message(&text));
        self.finish(TaskState::Canceled, Ending::Canceled, message);
    }

    fn finish(&self, state: TaskState, ending: Ending, message: Option<Message>) {
        let mut last = status(state);
        if let Some(message) = message {
            last = last.saying(message);
        }
        let event = Event::Status(StatusUpdate {
            task_id: self.id().to_owned(),
            context_id: self.context_id().to_owned(),
            status: last,
            last: true,
            ..StatusUpdate::default()
        });
        let mut guard = self.state();
        guard.events.push(Arc::new(event));
        guard.ending = Some(ending);
        let count = guard.events.len();
        drop(guard);
        self.grown.send_replace(count);
    }

    /// The task as `tasks/get` shows it.
    pub(crate) fn task(&self) -> Task {
        let state = self.state();
        let last = state.events.iter().rev().find_map(|event| match &**event {
            Event::Status(update) => Some(update.status.clone()),
            _ => None,
        });
        let mut task = Task::new(self.id(), self.context_id(), last.unwrap_or_else(|| status(TaskState::Submitted)));
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

    /// What a turn that was called off leaves behind: letters (target, message) and questions.
    pub(super) fn left_out(&self) -> (Vec<(String, String)>, Vec<String>) {
        let mut state = self.state();
        let letters =
            std::mem::take(&mut state.letters).into_iter().map(|(message, target)| (target, message)).collect();
        (letters, std::mem::take(&mut state.questions))
    }

    /// Asks the person and waits for the decision. `Err`: no, in words for the model.
    pub(crate) async fn ask(
        &self,
        agent: &Agent,
        action: String,
        reason: String,
        context: Value,
    ) -> Result<(), String> {
        let question = Question { action, reason, task_id: self.id().to_owned(), context };
        let asked = agent.platform.ask(&question).await;
        let id = asked.map_err(|fault| format!("the person could not be asked: {fault}"))?;
        self.state().questions.push(id.clone());
        let data = json!({"type": "approval", "approval_id": id, "action": question.action, "reason": question.reason,
            "context": question.context});
        self.progress(TaskState::InputRequired, data);
        let waiting = agent.presence.waiting(&format!("Waiting for you: {}", question.action));
        let timing = &agent.config.timing;
        let decided = tokio::time::timeout(timing.approval_limit, async {
            loop {
                match agent.platform.decision(&id).await {
                    Ok(Decision::Pending) => {}
                    Ok(decision) => return decision,
                    Err(fault) => tracing::debug!(error = %fault, "the decision could not be read"),
                }
                tokio::time::sleep(timing.approval_poll).await;
            }
        })
        .await;
        drop(waiting);
        self.state().questions.retain(|open| *open != id);
        self.working();
        match decided {
            Ok(Decision::Approved) => Ok(()),
            Ok(Decision::Denied) => Err("the person said no; do not try it another way".into()),
            Ok(Decision::Expired | Decision::Pending) | Err(_) => {
                Err("nobody decided in time, so it was not done".into())
            }
        }
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
        let append = {
            let mut state = self.state();
            let append = !state.text.is_empty();
            state.text.push_str(delta);
            append
        };
        self.emit(Event::Artifact(ArtifactUpdate {
            task_id: self.id().to_owned(),
            context_id: self.context_id().to_owned(),
            artifact: Artifact::new(REPLY, vec![Part::text(delta)]),
            append,
            ..ArtifactUpdate::default()
        }));
    }

    fn paragraph(&self) {
        if !self.state().text.is_empty() {
            self.say("\n\n");
        }
    }
}

fn status(state: TaskState) -> TaskStatus {
    let mut status = TaskStatus::new(state);
    status.timestamp = Some(now().to_string());
    status
}

fn now() -> Timestamp {
    crate::clock::now()
}
