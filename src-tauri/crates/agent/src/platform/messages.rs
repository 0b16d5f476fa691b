//! Messages to colleagues, through the platform's one door (10 §9).

use std::time::Duration;

use molecule_a2a::jsonrpc::Request;
use molecule_a2a::wire::{Message, SendParams, TaskParams};
use molecule_a2a::{Method, reply, version::Dialect};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::{LIMIT, Platform};

/// Tries after the first one, where the platform says that it may go better soon.
const RETRIES: u32 = 4;
/// Longest pause that is waited for, in seconds.
const LONGEST_PAUSE: u64 = 30;

/// A message to one colleague.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// The same in every try, so that a colleague answers it once.
    pub message_id: String,
    pub target_id: String,
    pub target_name: String,
    pub text: String,
    pub context_id: String,
    /// The message whose turn caused this one.
    pub parent_task_id: String,
}

/// Why there is no answer, in words for the model.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undelivered(pub String);

enum Try {
    Answered(String),
    Failed(Undelivered),
    /// Worth another try; a pause that the platform asked for, in seconds.
    Later(Undelivered, Option<u64>),
}

impl Platform {
    /// The JSON-RPC request of a letter.
    pub(crate) fn request_of(&self, letter: &Letter) -> Value {
        let mut message = Message::user(&*letter.message_id, &*letter.text);
        message.context_id = Some(letter.context_id.clone());
        let mut params = SendParams::new(message).with_metadata("source_workspace_id", self.workspace_id());
        if !letter.parent_task_id.is_empty() {
            params = params.with_metadata("parent_task_id", &*letter.parent_task_id);
        }
        request(Method::Send, serde_json::to_value(params))
    }

    /// Sends a letter and waits for the answer's text, at most `limit`.
    pub(crate) async fn deliver(
        &self,
        letter: &Letter,
        limit: Duration,
        pause: Duration,
    ) -> Result<String, Undelivered> {
        let body = self.request_of(letter);
        let mut tries = 0;
        loop {
            let (why, asked) = match self.attempt(letter, &body, limit).await {
                Try::Answered(text) => return Ok(text),
                Try::Failed(why) => return Err(why),
                Try::Later(why, asked) => (why, asked),
            };
            if tries == RETRIES {
                return Err(why);
            }
            let wait =
                asked.map_or(pause * 2_u32.pow(tries), |seconds| Duration::from_secs(seconds.min(LONGEST_PAUSE)));
            tracing::info!(target_id = %letter.target_id, pause_ms = wait.as_millis(), "message is sent again");
            sleep(wait).await;
            tries += 1;
        }
    }

    async fn attempt(&self, letter: &Letter, body: &Value, limit: Duration) -> Try {
        let name = &letter.target_name;
        let path = format!("/workspaces/{}/a2a", letter.target_id);
        let sent = self.request(reqwest::Method::POST, &path).timeout(limit).json(body).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_timeout() => {
                return Try::Failed(Undelivered(format!("{name} did not answer in time")));
            }
            Err(_) => return Try::Later(Undelivered(format!("Molecule did not pass the message on to {name}")), None),
        };
        let status = response.status();
        match response.bytes().await {
            Ok(bytes) => read(name, status, &bytes),
            Err(_) => Try::Failed(Undelivered(format!("the answer of {name} broke off"))),
        }
    }

    /// Sends this agent its own first prompt and waits for the answer, at most ten minutes (40 §3).
    pub(crate) async fn prompt_self(&self, text: &str, pause: Duration) -> Result<String, Undelivered> {
        let letter = Letter {
            message_id: format!("initial-{}", uuid::Uuid::new_v4()),
            target_id: self.workspace_id().to_owned(),
            target_name: "this agent".to_owned(),
            text: text.to_owned(),
            context_id: "initial".to_owned(),
            parent_task_id: String::new(),
        };
        self.deliver(&letter, Duration::from_secs(600), pause).await
    }

    /// Asks a colleague to stop working on a letter. Best effort.
    pub(crate) async fn call_off(&self, target_id: &str, message_id: &str) {
        let body = request(Method::CancelTask, serde_json::to_value(TaskParams::new(message_id)));
        let path = format!("/workspaces/{target_id}/a2a");
        let sent = self.request(reqwest::Method::POST, &path).timeout(LIMIT).json(&body).send().await;
        tracing::debug!(target_id, reached = sent.is_ok(), "asked to stop");
    }
}

fn request(method: Method, params: serde_json::Result<Value>) -> Value {
    let id = uuid::Uuid::new_v4().to_string();
    let request = Request::new(id, method.name(Dialect::V03), params.unwrap_or_default());
    serde_json::to_value(request).unwrap_or_default()
}

fn read(name: &str, status: StatusCode, bytes: &[u8]) -> Try {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let said = body["error"].as_str().unwrap_or_default();
    let because = |what: &str| if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") };
    let failed = |text: String| Try::Failed(Undelivered(text));
    match status.as_u16() {
        202 if body["queued"] == true => Try::Answered(format!(
            "{name} is busy. The message is queued and will be delivered; there is no answer yet. Do not send it again."
        )),
        200 if body["status"] == "queued" => Try::Answered(format!(
            "{name} has the message and reads it in its own time. An answer, if there is one, comes as a message of its own."
        )),
        200..=299 => answer(name, &body),
        402 => failed(format!("{name} has used up its budget")),
        401 | 403 => failed(because(&format!("you may not send messages to {name}"))),
        404 => failed(format!("{name} is no longer there")),
        508 => failed(because("this would go round in circles")),
        502 if body["delivery_confirmed"] == true => failed(format!("the answer of {name} was lost on the way")),
        502 | 503 => {
            Try::Later(Undelivered(because(&format!("{name} cannot be reached"))), body["retry_after"].as_u64())
        }
        code => failed(because(&format!("{name} did not answer (HTTP {code})"))),
    }
}

/// A JSON-RPC answer: a message, a task, or an error (40 §10.4).
fn answer(name: &str, body: &Value) -> Try {
    if let Some(error) = body.get("error") {
        let said = error["message"].as_str().or_else(|| error.as_str()).unwrap_or("it gave no reason");
        return Try::Failed(Undelivered(format!("{name} could not do it: {said}")));
    }
    let result = &body["result"];
    let text = reply::text_of(result).unwrap_or_default();
    let state = result["status"]["state"].as_str().unwrap_or_default();
    if matches!(state, "failed" | "rejected" | "canceled") || text.starts_with("Agent error:") {
        let why = if text.is_empty() { state } else { &text };
        return Try::Failed(Undelivered(format!("{name} could not do it: {why}")));
    }
    match text.trim() {
        "" => Try::Answered(format!("({name} answered without text.)")),
        _ => Try::Answered(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(status: u16, body: &Value) -> (String, bool, Option<u64>) {
        match read("Ada", StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes()) {
            Try::Answered(text) => (text, false, None),
            Try::Failed(why) => (format!("failed: {why}"), false, None),
            Try::Later(why, pause) => (format!("later: {why}"), true, pause),
        }
    }

    #[test]
    fn what_the_platform_answers_and_what_the_model_reads() {
        let message = json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "parts": [{"kind": "text", "text": "yes"}]}});
        let task = json!({"result": {"kind": "task", "status": {"state": "completed"}, "artifacts": [{"parts": [{"kind": "text", "text": "made"}]}]}});
        let failed = json!({"result": {"kind": "task", "status": {"state": "failed", "message": {"parts": [{"kind": "text", "text": "no key"}]}}}});
        let table = [
            (200, message, "yes", false),
            (200, task, "made", false),
            (200, failed, "failed: Ada could not do it: no key", false),
            (200, json!({"error": {"code": -32000, "message": "tired"}}), "failed: Ada could not do it: tired", false),
            (200, json!({"status": "queued", "delivery_mode": "poll"}), "Ada has the message", false),
            (202, json!({"queued": true, "queue_id": "q"}), "Ada is busy.", false),
            (402, json!({"error": "workspace budget limit exceeded"}), "failed: Ada has used up its budget", false),
            (403, json!({"error": "access denied"}), "failed: you may not send messages to Ada: access denied", false),
            (508, json!({"error": "loop", "code": "loop_detected"}), "failed: this would go round in circles", false),
            (503, json!({"error": "waking", "retry_after": 15}), "later: Ada cannot be reached: waking", true),
            (502, json!({"error": "failed to reach workspace agent"}), "later: Ada cannot be reached", true),
            (502, json!({"error": "x", "delivery_confirmed": true}), "failed: the answer of Ada was lost", false),
        ];
        for (status, body, words, again) in table {
            let (text, later, _) = outcome(status, &body);
            assert!(text.starts_with(words), "{status} {body}: {text}");
            assert_eq!(later, again, "{status} {body}");
        }
        assert_eq!(outcome(503, &json!({"retry_after": 15})).2, Some(15));
    }
}
