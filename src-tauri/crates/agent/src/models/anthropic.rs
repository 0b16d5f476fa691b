//! Anthropic's Messages API: streaming, with tools.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::transport::{Events, Refusal, Transport, common_refusal, retry_after};
use super::{Conversation, Endpoint, Fault, Opening, Round, Speaker, ToolCall, ToolResult, Usage, Voice, arguments};

const VERSION: &str = "2023-06-01";

pub(super) struct Anthropic {
    transport: Transport,
    endpoint: Endpoint,
    /// The body without its messages.
    request: Value,
    messages: Vec<Value>,
}

impl Anthropic {
    pub(super) fn begin(transport: Transport, endpoint: Endpoint, opening: &Opening) -> Self {
        let tools: Vec<Value> = opening
            .tools
            .iter()
            .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.schema}))
            .collect();
        let mut request = json!({
            "model": endpoint.model,
            "max_tokens": opening.max_output_tokens,
            "stream": true,
        });
        if !opening.system.is_empty() {
            // The long, constant part: cached by the provider across the rounds of a turn.
            request["system"] =
                json!([{"type": "text", "text": opening.system, "cache_control": {"type": "ephemeral"}}]);
        }
        if !tools.is_empty() {
            request["tools"] = tools.into();
        }
        let messages = opening.utterances().into_iter().map(|each| match each.speaker {
            Speaker::User => json!({"role": "user", "content": each.text}),
            Speaker::Agent => json!({"role": "assistant", "content": each.text}),
        });
        Self { transport, messages: messages.collect(), endpoint, request }
    }

    fn url(&self) -> String {
        let base = self.endpoint.base_url.trim_end_matches("/v1");
        format!("{base}/v1/messages")
    }
}

#[async_trait]
impl Conversation for Anthropic {
    async fn next(&mut self, results: Vec<ToolResult>, voice: &dyn Voice) -> Result<Round, Fault> {
        if !results.is_empty() {
            let blocks: Vec<Value> = results
                .into_iter()
                .map(|r| json!({"type": "tool_result", "tool_use_id": r.call_id, "content": r.text, "is_error": r.is_error}))
                .collect();
            self.messages.push(json!({"role": "user", "content": blocks}));
        }
        let mut body = self.request.clone();
        body["messages"] = self.messages.clone().into();
        let url = self.url();
        let key = self.endpoint.key.clone();
        let send = |client: &reqwest::Client| {
            let key = key.as_ref().map_or("", |key| key.expose_secret());
            client.post(&url).header("anthropic-version", VERSION).header("x-api-key", key).json(&body)
        };
        let events = self.transport.open(&self.endpoint, send, read_refusal).await?;
        let answer = read_answer(&self.endpoint, events, voice).await?;
        self.messages.push(json!({"role": "assistant", "content": answer.content()}));
        Ok(answer.round())
    }
}

fn read_refusal(endpoint: &Endpoint, status: u16, headers: &HeaderMap, body: &str) -> Refusal {
    let error = serde_json::from_str::<ErrorBody>(body).map(|body| body.error).unwrap_or_default();
    let said = error.message.to_ascii_lowercase();
    match error.kind.as_str() {
        "billing_error" => Refusal::Final(Fault::quota(endpoint)),
        "invalid_request_error" if said.contains("credit balance") || said.contains("usage limit") => {
            Refusal::Final(Fault::quota(endpoint))
        }
        "invalid_request_error" if said.contains("prompt is too long") || said.contains("exceed context limit") => {
            Refusal::Final(Fault::context_too_long(endpoint))
        }
        "overloaded_error" => Refusal::Passing(Fault::overloaded(endpoint, status), retry_after(headers)),
        _ => common_refusal(endpoint, status, headers, &error.message),
    }
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    error: ErrorText,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorText {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: usize,
        content_block: BlockStart,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    MessageDelta {
        delta: MessageDelta,
        #[serde(default)]
        usage: Tokens,
    },
    MessageStop,
    Error {
        error: ErrorText,
    },
    /// `ping`, `content_block_stop`, and whatever the provider adds.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    usage: Tokens,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

/// Counters of the provider; a cached prompt is still a prompt.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum BlockStart {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
    },
    RedactedThinking {
        data: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "these are the names on the wire")]
enum Delta {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    #[serde(other)]
    Other,
}

/// A content block as far as it has come. Thoughts are not shown but must be sent back unchanged.
enum Block {
    Text(String),
    Tool { id: String, name: String, json: String },
    Thinking { thinking: String, signature: String },
    Redacted(String),
    Other,
}

#[derive(Default)]
struct Answer {
    blocks: Vec<(usize, Block)>,
    usage: Usage,
    stop: Option<String>,
}

async fn read_answer(endpoint: &Endpoint, mut events: Events, voice: &dyn Voice) -> Result<Answer, Fault> {
    let mut answer = Answer::default();
    while let Some(data) = events.next().await? {
        match serde_json::from_str(&data).map_err(|_| events.nonsense())? {
            Event::MessageStop => return Ok(answer),
            Event::Error { error } => return Err(mid_stream(endpoint, &error)),
            event => answer.take(event, voice),
        }
    }
    Err(Fault::stream_cut(endpoint))
}

/// An `error` event after the stream had begun.
fn mid_stream(endpoint: &Endpoint, error: &ErrorText) -> Fault {
    match error.kind.as_str() {
        "rate_limit_error" => Fault::rate_limited(endpoint, None),
        "authentication_error" | "permission_error" => Fault::key_refused(endpoint, 401),
        "overloaded_error" | "api_error" | "timeout_error" => Fault::overloaded(endpoint, 0),
        _ => Fault::refused(endpoint, 200, &error.message),
    }
}

impl Answer {
    fn take(&mut self, event: Event, voice: &dyn Voice) {
        match event {
            Event::MessageStart { message } => self.count(&message.usage),
            Event::MessageDelta { delta, usage } => {
                self.count(&usage);
                self.stop = delta.stop_reason.or(self.stop.take());
            }
            Event::ContentBlockStart { index, content_block } => {
                let block = match content_block {
                    BlockStart::Text { text } => {
                        if self.blocks.iter().any(|(_, block)| matches!(block, Block::Text(said) if !said.is_empty())) {
                            voice.paragraph();
                        }
                        if !text.is_empty() {
                            voice.say(&text);
                        }
                        Block::Text(text)
                    }
                    BlockStart::ToolUse { id, name } => Block::Tool { id, name, json: String::new() },
                    BlockStart::Thinking { thinking } => Block::Thinking { thinking, signature: String::new() },
                    BlockStart::RedactedThinking { data } => Block::Redacted(data),
                    BlockStart::Other => Block::Other,
                };
                self.blocks.push((index, block));
            }
            Event::ContentBlockDelta { index, delta } => {
                let block = self.blocks.iter_mut().rev().find(|(at, _)| *at == index).map(|(_, block)| block);
                match (block, delta) {
                    (Some(Block::Text(text)), Delta::TextDelta { text: delta }) => {
                        text.push_str(&delta);
                        voice.say(&delta);
                    }
                    (Some(Block::Tool { json, .. }), Delta::InputJsonDelta { partial_json }) => {
                        json.push_str(&partial_json)
                    }
                    (Some(Block::Thinking { thinking, .. }), Delta::ThinkingDelta { thinking: delta }) => {
                        thinking.push_str(&delta)
                    }
                    (Some(Block::Thinking { signature, .. }), Delta::SignatureDelta { signature: delta }) => {
                        signature.push_str(&delta)
                    }
                    _ => {}
                }
            }
            Event::MessageStop | Event::Error { .. } | Event::Other => {}
        }
    }

    /// Input comes with the start, output as a running total: the larger number is the newer one.
    fn count(&mut self, tokens: &Tokens) {
        let input = [tokens.input_tokens, tokens.cache_creation_input_tokens, tokens.cache_read_input_tokens];
        let input = input.into_iter().flatten().fold(0_u64, u64::saturating_add);
        self.usage.input_tokens = self.usage.input_tokens.max(input);
        self.usage.output_tokens = self.usage.output_tokens.max(tokens.output_tokens.unwrap_or(0));
    }

    /// The answer as the next request must repeat it. Empty text blocks are refused by the API.
    fn content(&self) -> Vec<Value> {
        let blocks = self.blocks.iter().filter_map(|(_, block)| match block {
            Block::Text(text) if text.trim().is_empty() => None,
            Block::Text(text) => Some(json!({"type": "text", "text": text})),
            Block::Tool { id, name, json } => {
                let input = Some(arguments(json)).filter(Value::is_object).unwrap_or_else(|| json!({}));
                Some(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
            }
            Block::Thinking { thinking, signature } => {
                Some(json!({"type": "thinking", "thinking": thinking, "signature": signature}))
            }
            Block::Redacted(data) => Some(json!({"type": "redacted_thinking", "data": data})),
            Block::Other => None,
        });
        blocks.collect()
    }

    fn round(self) -> Round {
        let calls: Vec<ToolCall> = self
            .blocks
            .iter()
            .filter_map(|(_, block)| match block {
                Block::Tool { id, name, json } => {
                    Some(ToolCall { id: id.clone(), name: name.clone(), input: arguments(json) })
                }
                _ => None,
            })
            .collect();
        let note = match self.stop.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => {
                Some("(The model stopped here: its answer reached the length limit.)")
            }
            Some("refusal") => Some("(The model declined to go on.)"),
            _ => None,
        };
        Round { calls, usage: self.usage, note }
    }
}
