//! What comes of sending a message.

use reqwest::Response;
use serde_json::Value;

use super::{ClientError, call};
use crate::wire::Event;

/// What came of sending a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// The agent answered, with a message or a task.
    Answered(Box<Event>),
    /// The agent is busy; the platform keeps the message and delivers it later (10 §9.7). Sending it
    /// again would deliver it twice.
    Queued {
        /// By which the queue can be asked.
        queue_id: String,
        /// How many wait, this one included.
        queue_depth: u64,
    },
    /// The agent fetches its messages itself; its reply comes another way (10 §9.4).
    Polled,
}

impl Sent {
    pub(super) async fn read(response: Response) -> Result<Self, ClientError> {
        let body = call::body(response).await?;
        match serde_json::from_slice(&body) {
            Ok(answer) if parked(&answer).is_some() => parked(&answer).ok_or(ClientError::Malformed),
            _ => call::result(&body).map(|event| Self::Answered(Box::new(event))),
        }
    }
}

/// The two answers by which a platform says "later".
fn parked(answer: &Value) -> Option<Sent> {
    if answer.get("queued") == Some(&Value::Bool(true)) {
        return Some(Sent::Queued {
            queue_id: answer.get("queue_id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            queue_depth: answer.get("queue_depth").and_then(Value::as_u64).unwrap_or_default(),
        });
    }
    let is = |name: &str, word: &str| answer.get(name).and_then(Value::as_str) == Some(word);
    (is("status", "queued") && is("delivery_mode", "poll")).then_some(Sent::Polled)
}
