//! What happened in a turn, in as few bytes as possible, and the events that it is told in (40 §10.3).

use molecule_a2a::wire::{
    Artifact, ArtifactUpdate, Event, Message, Part, Role, StatusUpdate, Task, TaskState, TaskStatus,
};
use molecule_model::Timestamp;
use serde_json::Value;

use super::Turn;

/// The name of the artifact that an answer grows in.
pub(super) const REPLY: &str = "reply";

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// The turn was taken.
    Taken,
    /// It works, or waits for the person; with what a screen shows of it.
    Status(TaskState, Option<Box<Value>>),
    /// The answer grew; `false`: these are its first words.
    Said(Box<str>, bool),
    /// It is over.
    Over(TaskState, Option<Box<Message>>),
}

/// Everything that happened, oldest first.
#[derive(Debug, Default)]
pub(super) struct Log(Vec<(Timestamp, Happening)>);

impl Log {
    pub(super) fn add(&mut self, what: Happening) -> usize {
        self.0.push((crate::clock::now(), what));
        self.0.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<(Timestamp, Happening)> {
        self.0.get(at).cloned()
    }

    /// The newest status.
    pub(super) fn status(&self, turn: &Turn) -> TaskStatus {
        let newest = self.0.iter().enumerate().rev().find(|(_, (_, what))| !matches!(what, Happening::Said(..)));
        match newest.map(|(at, (when, what))| event(turn, at, *when, what)) {
            Some(Event::Status(update)) => update.status,
            Some(Event::Task(task)) => task.status,
            _ => TaskStatus::new(TaskState::Submitted),
        }
    }

    /// Joins neighbouring words. Only for a turn that is over and that nobody watches.
    pub(super) fn compact(&mut self) {
        let mut kept: Vec<(Timestamp, Happening)> = Vec::new();
        for (when, what) in std::mem::take(&mut self.0) {
            match (kept.last_mut(), what) {
                (Some((_, Happening::Said(before, _))), Happening::Said(more, _)) => {
                    let mut text = std::mem::take(before).into_string();
                    text.push_str(&more);
                    *before = text.into();
                }
                (_, what) => kept.push((when, what)),
            }
        }
        self.0 = kept;
    }
}

/// The event of something that happened at a place of the log.
pub(super) fn event(turn: &Turn, at: usize, when: Timestamp, what: &Happening) -> Event {
    let (id, context) = (turn.id().to_owned(), turn.context_id().to_owned());
    let status = |state: TaskState, message: Option<Message>| TaskStatus {
        timestamp: Some(when.to_string()),
        message,
        ..TaskStatus::new(state)
    };
    let update = |status: TaskStatus, last: bool| {
        Event::Status(StatusUpdate {
            task_id: id.clone(),
            context_id: context.clone(),
            status,
            last,
            ..StatusUpdate::default()
        })
    };
    match what {
        Happening::Taken => Event::Task(Task::new(&*id, &*context, status(TaskState::Submitted, None))),
        Happening::Status(state, data) => {
            let message = data.as_ref().map(|data| {
                let parts = vec![Part::data((**data).clone())];
                Message::new(Role::Agent, format!("{id}-{at}"), parts).within(&*context, &*id)
            });
            update(status(*state, message), false)
        }
        Happening::Said(text, append) => Event::Artifact(ArtifactUpdate {
            task_id: id,
            context_id: context,
            artifact: Artifact::new(REPLY, vec![Part::text(&**text)]),
            append: *append,
            ..ArtifactUpdate::default()
        }),
        Happening::Over(state, message) => update(status(*state, message.as_deref().cloned()), true),
    }
}
