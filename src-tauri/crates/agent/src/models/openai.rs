//! OpenAI-compatible chat completions: streaming, with tool calls. Also what Ollama, LM Studio,
//! llama.cpp and OpenRouter speak, each with its own small deviations.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::{Events, Refusal, Transport, common_refusal};
use super::{Conversation, Endpoint, Fault, Opening, Round, Speaker, ToolCall, ToolResult, Usage, Voice, arguments};

/// Internal: the model takes no tools, so the call is repeated without them.
const NO_TOOLS: &str = "model_without_tools";

pub(super) struct OpenAi {
    transport: Transport,
    endpoint: Endpoint,
    tools: Vec<Value>,
    messages: Vec<Value>,
}

impl OpenAi {
    pub(super) fn begin(transport: Transport, endpoint: Endpoint, opening: &Opening) -> Self {
        let tools = opening.tools.iter().map(|tool| {
            json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema}})
        });
        let system = Some(&opening.system).filter(|text| !text.is_empty());
        let messages = system.map(|text| json!({"role": "system", "content": text})).into_iter().chain(
            opening.utterances().into_iter().map(|each| match each.speaker {
                Speaker::User => json!({"role": "user", "content": each.text}),
                Speaker::Agent => json!({"role": "assistant", "content": each.text}),
            }),
        );
        Self { transport, tools: tools.collect(), messages: messages.collect(), endpoint }
    }

    async fn ask(&self) -> Result<Events, Fault> {
        let mut body = json!({
            "model": self.endpoint.model,
            "messages": self.messages,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if !self.tools.is_empty() {
            body["tools"] = self.tools.clone().into();
        }
        let url = format!("{}/chat/completions", self.endpoint.base_url);
        let send = |client: &reqwest::Client| {
            let request = client.post(&url).json(&body);
            match &self.endpoint.key {
                Some(key) => request.bearer_auth(key.expose_secret()),
                None => request,
            }
        };
        self.transport.open(&self.endpoint, send, read_refusal).await
    }
}

#[async_trait]
impl Conversation for OpenAi {
    async fn next(&mut self, results: Vec<ToolResult>, voice: &dyn Voice) -> Result<Round, Fault> {
        for result in results {
            let text = if result.is_error { format!("Error: {}", result.text) } else { result.text };
            self.messages.push(json!({"role": "tool", "tool_call_id": result.call_id, "content": text}));
        }
        let events = match self.ask().await {
            Err(fault) if fault.code == NO_TOOLS && !self.tools.is_empty() => {
                tracing::info!("this model takes no tools: asking without them");
                self.tools.clear();
                self.ask().await?
            }
            other => other?,
        };
        let answer = read_answer(&self.endpoint, events, voice).await?;
        self.messages.push(answer.message());
        Ok(answer.round())
    }
}

fn read_refusal(endpoint: &Endpoint, status: u16, headers: &HeaderMap, body: &str) -> Refusal {
    let error = serde_json::from_str::<ErrorBody>(body).map(|body| body.error).unwrap_or_default();
    if let Some(fault) = error.meaning(endpoint) {
        return Refusal::Final(fault);
    }
    let said = error.message.to_ascii_lowercase();
    if status == 400 && said.contains("does not support tools") {
        return Refusal::Final(Fault::new(NO_TOOLS, format!("{} cannot use tools.", endpoint.model)));
    }
    common_refusal(endpoint, status, headers, &error.message)
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    error: ErrorText,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorText {
    message: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// A word at OpenAI, a number elsewhere.
    code: Value,
}

impl ErrorText {
    /// What the error's own words say, where they say more than the status does.
    fn meaning(&self, endpoint: &Endpoint) -> Option<Fault> {
        let said = self.message.to_ascii_lowercase();
        let names = [self.code.as_str().unwrap_or_default(), self.kind.as_deref().unwrap_or_default()];
        if names
            .iter()
            .any(|name| matches!(*name, "insufficient_quota" | "billing_hard_limit_reached" | "insufficient_credits"))
        {
            return Some(Fault::quota(endpoint));
        }
        if names.contains(&"context_length_exceeded")
            || ["maximum context length", "exceeds the context", "exceed context size", "context window"]
                .iter()
                .any(|words| said.contains(words))
        {
            return Some(Fault::context_too_long(endpoint));
        }
        (names.contains(&"model_not_found")).then(|| Fault::unknown_model(endpoint))
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    error: Option<ErrorText>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    index: Option<usize>,
    id: Option<String>,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

#[derive(Default)]
struct Call {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Default)]
struct Answer {
    text: String,
    calls: Vec<Call>,
    usage: Usage,
    finish: Option<String>,
}

async fn read_answer(endpoint: &Endpoint, mut events: Events, voice: &dyn Voice) -> Result<Answer, Fault> {
    let mut answer = Answer::default();
    loop {
        match events.next().await {
            Ok(Some(data)) if data.trim() == "[DONE]" => return Ok(answer.closed()),
            Ok(Some(data)) => {
                let chunk: Chunk = serde_json::from_str(&data).map_err(|_| events.nonsense())?;
                if let Some(error) = chunk.error {
                    return Err(mid_stream(endpoint, &error));
                }
                answer.take(chunk.choices, chunk.usage, voice);
            }
            // Some servers close without the last word; the finish reason says that it was all.
            Ok(None) | Err(_) if answer.finish.is_some() => return Ok(answer.closed()),
            Ok(None) => return Err(Fault::stream_cut(endpoint)),
            Err(fault) => return Err(fault),
        }
    }
}

/// An error object in place of a chunk, after the stream had begun.
fn mid_stream(endpoint: &Endpoint, error: &ErrorText) -> Fault {
    if let Some(fault) = error.meaning(endpoint) {
        return fault;
    }
    match error.code.as_u64().and_then(|code| u16::try_from(code).ok()) {
        Some(429) => Fault::rate_limited(endpoint, None),
        Some(401 | 403) => Fault::key_refused(endpoint, 401),
        Some(402) => Fault::quota(endpoint),
        Some(500..) => Fault::overloaded(endpoint, 0),
        _ if error.kind.as_deref() == Some("server_error") => Fault::overloaded(endpoint, 0),
        _ => Fault::refused(endpoint, 200, &error.message),
    }
}

impl Answer {
    fn take(&mut self, choices: Vec<ChunkChoice>, usage: Option<Tokens>, voice: &dyn Voice) {
        if let Some(tokens) = usage {
            self.usage = Usage { input_tokens: tokens.prompt_tokens, output_tokens: tokens.completion_tokens };
        }
        let Some(choice) = choices.into_iter().next() else { return };
        if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
            self.text.push_str(&text);
            voice.say(&text);
        }
        for delta in choice.delta.tool_calls.unwrap_or_default() {
            let call = self.call(delta.index, delta.id.as_deref());
            if let Some(id) = delta.id.filter(|id| !id.is_empty()) {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = delta.function.name.unwrap_or_default();
            }
            call.arguments.push_str(&delta.function.arguments.unwrap_or_default());
        }
        self.finish = choice.finish_reason.or(self.finish.take());
    }

    /// The call that a delta continues: by index, else by id, else the last one.
    fn call(&mut self, index: Option<usize>, id: Option<&str>) -> &mut Call {
        let fresh_id = id.filter(|id| !id.is_empty());
        let known = self.calls.iter().position(|call| match (index, fresh_id) {
            (Some(index), None) => call.index == index,
            // Some servers number every call 0.
            (Some(index), Some(id)) => call.index == index && (call.id.is_empty() || call.id == id),
            (None, Some(id)) => call.id == id,
            (None, None) => true,
        });
        let at = match (index, fresh_id, known) {
            (_, None, Some(_)) => {
                self.calls.iter().rposition(|call| index.is_none_or(|index| call.index == index)).unwrap_or(0)
            }
            (_, _, Some(at)) => at,
            (_, _, None) => {
                self.calls.push(Call { index: index.unwrap_or(self.calls.len()), ..Call::default() });
                self.calls.len() - 1
            }
        };
        &mut self.calls[at]
    }

    /// Ids where the server gave none: results and screens need something to refer to, unique in the turn.
    fn closed(mut self) -> Self {
        self.calls.retain(|call| !call.name.is_empty());
        for call in &mut self.calls {
            if call.id.is_empty() {
                call.id = format!("call_{}", uuid::Uuid::new_v4().simple());
            }
        }
        self
    }

    /// The answer as the next request must repeat it.
    fn message(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.calls.is_empty() {
            let calls = self.calls.iter().map(|call| {
                let arguments = if arguments(&call.arguments).is_object() && !call.arguments.trim().is_empty() {
                    &call.arguments
                } else {
                    "{}"
                };
                json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
            });
            message["tool_calls"] = calls.collect();
            if self.text.is_empty() {
                message["content"] = Value::Null;
            }
        }
        message
    }

    fn round(self) -> Round {
        let note = match self.finish.as_deref() {
            Some("length") => Some("(The model stopped here: its answer reached the length limit.)"),
            Some("content_filter") => Some("(The provider's filter stopped the answer here.)"),
            _ => None,
        };
        let calls = self.calls.into_iter().map(|call| ToolCall {
            id: call.id,
            name: call.name,
            input: arguments(&call.arguments),
        });
        Round { calls: calls.collect(), usage: self.usage, note }
    }
}
