//! Both dialects against wire-true stubs: what a person is told when something goes wrong.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::config::ModelVariables;
use crate::testing::{ModelStub, Refusal, Reply, Wire};

const WIRES: [Wire; 2] = [Wire::Anthropic, Wire::OpenAi];

#[derive(Default)]
struct Ear(Mutex<String>);

impl Voice for Ear {
    fn say(&self, delta: &str) {
        self.0.lock().unwrap().push_str(delta);
    }

    fn paragraph(&self) {}
}

impl Ear {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

fn transport() -> Transport {
    Transport { silence: Duration::from_millis(300), retry: Duration::from_millis(5) }
}

fn begin(stub: &ModelStub, wire: Wire) -> Box<dyn Conversation> {
    let (slug, base, key) = match wire {
        Wire::Anthropic => ("anthropic:claude-stub", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
        Wire::OpenAi => ("openai/stub-model", "OPENAI_BASE_URL", "OPENAI_API_KEY"),
    };
    let base_url = stub.base_url();
    let variables = ModelVariables::pick(|name| match name {
        name if name == base => Some(base_url.clone()),
        name if name == key => Some("sk-the-key".to_owned()),
        _ => None,
    });
    let Ok(Choice::Model(endpoint)) = provider::choose(slug, &variables) else { panic!("no endpoint") };
    let opening = Opening {
        system: "You are a stub's guest.".into(),
        history: vec![
            Utterance { speaker: Speaker::User, text: "earlier".into() },
            Utterance { speaker: Speaker::Agent, text: "yes".into() },
        ],
        message: "go".into(),
        tools: vec![ToolSpec {
            name: "look",
            description: "Looks.",
            schema: json!({"type": "object", "properties": {"at": {"type": "string"}}}),
        }],
        max_output_tokens: 100,
    };
    converse(transport(), endpoint, &opening)
}

async fn first_round(wire: Wire, reply: Reply) -> (Result<Round, Fault>, String, ModelStub) {
    let stub = ModelStub::in_order(wire, [reply]).await;
    let ear = Ear::default();
    let round = begin(&stub, wire).next(Vec::new(), &ear).await;
    (round, ear.text(), stub)
}

fn result(call: &ToolCall, text: &str) -> ToolResult {
    ToolResult { call_id: call.id.clone(), text: text.into(), is_error: false, data: Value::Null }
}

#[tokio::test]
async fn text_streams_and_tokens_are_counted() {
    for wire in WIRES {
        let (round, text, stub) = first_round(wire, Reply::say("one two three")).await;
        let round = round.unwrap();
        assert_eq!((text.as_str(), round.calls.len()), ("one two three", 0), "{wire:?}");
        assert_eq!(round.usage, Usage { input_tokens: 25, output_tokens: 15 }, "{wire:?}");
        let seen = &stub.seen()[0];
        assert_eq!(seen.key.as_deref(), Some("sk-the-key"));
        assert!(seen.body.to_string().contains("earlier") && seen.body.to_string().contains("You are a stub's guest."));
    }
}

#[tokio::test]
async fn two_rounds_of_tools_with_parallel_calls() {
    for wire in WIRES {
        let look = |at: &str| ("look".to_owned(), json!({"at": at, "quote": "ä\"\\"}));
        let replies = [
            Reply::Call("Looking.".into(), vec![look("a"), look("b")]),
            Reply::Call(String::new(), vec![look("c")]),
            Reply::say("done"),
        ];
        let stub = ModelStub::in_order(wire, replies).await;
        let (ear, mut talk) = (Ear::default(), begin(&stub, wire));
        let first = talk.next(Vec::new(), &ear).await.unwrap();
        assert_eq!(first.calls.len(), 2, "{wire:?}");
        assert_eq!(first.calls[1].input, json!({"at": "b", "quote": "ä\"\\"}), "{wire:?}");
        assert_ne!(first.calls[0].id, first.calls[1].id);
        let second = talk.next(first.calls.iter().map(|call| result(call, "seen")).collect(), &ear).await.unwrap();
        assert_eq!(second.calls.len(), 1);
        let third = talk.next(vec![result(&second.calls[0], "seen too")], &ear).await.unwrap();
        assert_eq!((third.calls.len(), ear.text().as_str()), (0, "Looking.done"));
        // The stub refuses a request whose tool results do not fit its calls, so this is wire-true.
        assert_eq!(stub.seen().last().unwrap().tool_results(), 3);
    }
}

#[tokio::test]
async fn every_refusal_has_its_code_and_a_way_out() {
    let table = [
        (Refusal::WrongKey, "model_key_refused", "Replace the secret"),
        (Refusal::Forbidden, "model_key_refused", "Choose another model"),
        (Refusal::OutOfQuota, "model_quota", "Add credit"),
        (Refusal::RateLimited(Some(120)), "model_rate_limited", "in 2 minutes"),
        (Refusal::RateLimited(None), "model_rate_limited", "in a minute"),
        (Refusal::Overloaded, "model_overloaded", "in a minute"),
        (Refusal::ContextTooLong, "model_context_too_long", "Start a new conversation"),
        (Refusal::UnknownModel, "model_unknown", "Choose another model"),
    ];
    for wire in WIRES {
        let mut sentences = std::collections::HashSet::new();
        for (refusal, code, words) in table {
            let fault = first_round(wire, Reply::Refuse(refusal)).await.0.unwrap_err();
            assert_eq!(fault.code, code, "{wire:?} {refusal:?}: {fault}");
            assert!(fault.text.contains(words), "{wire:?} {refusal:?}: {fault}");
            assert!(!fault.text.contains("sk-"), "{fault}");
            sentences.insert(fault.text);
        }
        assert_eq!(sentences.len(), table.len(), "two refusals read alike");
    }
}

#[tokio::test]
async fn the_wait_that_a_rate_limit_asks_for_is_kept_and_told() {
    for wire in WIRES {
        let stub = ModelStub::in_order(wire, [Reply::Refuse(Refusal::RateLimited(Some(1))), Reply::say("late")]).await;
        let (ear, started) = (Ear::default(), Instant::now());
        begin(&stub, wire).next(Vec::new(), &ear).await.unwrap();
        assert_eq!(ear.text(), "late");
        assert!(started.elapsed() >= Duration::from_secs(1), "{wire:?} did not wait");

        let (round, _, stub) = first_round(wire, Reply::Refuse(Refusal::RateLimited(Some(120)))).await;
        assert_eq!(round.unwrap_err().retry_after, Some(120), "{wire:?}");
        assert_eq!(stub.seen().len(), 1, "a long wait is the person's decision");
    }
}

#[tokio::test]
async fn faults_of_the_provider_are_tried_three_times_and_refusals_once() {
    for wire in WIRES {
        let tries = |refusal| async move { first_round(wire, Reply::Refuse(refusal)).await.2.seen().len() };
        assert_eq!(tries(Refusal::Overloaded).await, 3);
        assert_eq!(tries(Refusal::RateLimited(None)).await, 3);
        assert_eq!(tries(Refusal::OutOfQuota).await, 1);
        assert_eq!(tries(Refusal::ContextTooLong).await, 1);
    }
}

#[tokio::test]
async fn a_cut_silence_and_nonsense_are_told_apart() {
    let table = [
        (Reply::Cut("half a".into()), "model_stream_cut"),
        (Reply::Silent("half a".into()), "model_silent"),
        (Reply::Raw("data: {\"half\": \n\n".into()), "model_bad_answer"),
        (Reply::Raw("data: not json at all\n\n".into()), "model_bad_answer"),
        (Reply::Raw("event: ping\ndata: [1,2]\n\n".into()), "model_bad_answer"),
        // A body that ends early, though the connection ended well.
        (Reply::Raw(": hello\n\n".into()), "model_stream_cut"),
    ];
    for wire in WIRES {
        for (reply, code) in &table {
            let (round, text, stub) = first_round(wire, reply.clone()).await;
            assert_eq!(round.unwrap_err().code, *code, "{wire:?} {reply:?}");
            assert_eq!(stub.seen().len(), 1, "{wire:?}: asked again after the first byte");
            if matches!(reply, Reply::Cut(_) | Reply::Silent(_)) {
                assert_eq!(text, "half a", "{wire:?}: what came is kept");
            }
        }
    }
}

#[tokio::test]
async fn slow_is_not_silent() {
    for wire in WIRES {
        let slow = Reply::Slowly(vec!["a".into(), "b".into(), "c".into()], Duration::from_millis(200));
        let (round, text, _) = first_round(wire, slow).await;
        assert!(round.is_ok(), "{wire:?}: {round:?}");
        assert_eq!(text, "abc");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_understood() {
    let anthropic = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    assert_eq!(
        first_round(Wire::Anthropic, Reply::Raw(anthropic.into())).await.0.unwrap_err().code,
        "model_overloaded"
    );
    let openai = "data: {\"error\":{\"message\":\"You exceeded\",\"code\":\"insufficient_quota\"}}\n\n";
    assert_eq!(first_round(Wire::OpenAi, Reply::Raw(openai.into())).await.0.unwrap_err().code, "model_quota");
    let openrouter = "data: {\"error\":{\"message\":\"Provider overloaded\",\"code\":503},\"choices\":[]}\n\n";
    assert_eq!(first_round(Wire::OpenAi, Reply::Raw(openrouter.into())).await.0.unwrap_err().code, "model_overloaded");
}

#[tokio::test]
async fn nobody_at_the_address() {
    for wire in WIRES {
        let stub = ModelStub::in_order(wire, [Reply::say("x")]).await;
        let mut talk = begin(&stub, wire);
        drop(stub);
        tokio::task::yield_now().await;
        let fault = talk.next(Vec::new(), &Ear::default()).await.unwrap_err();
        assert_eq!(fault.code, "model_unreachable", "{fault}");
        assert!(fault.text.contains("running?"), "{fault}");
    }
}

#[tokio::test]
async fn local_servers_with_habits_of_their_own() {
    // Whole calls in one chunk, every index 0, no ids, no [DONE], "stop" as the reason.
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"at\\\":\\\"a\\\"}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"y\",\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"at\\\":\\\"b\\\"}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let (round, _, _) = first_round(Wire::OpenAi, Reply::Raw(body.into())).await;
    let calls = round.unwrap().calls;
    assert_eq!(calls.iter().map(|call| call.input["at"].clone()).collect::<Vec<_>>(), ["a", "b"]);

    let body = "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let call = first_round(Wire::OpenAi, Reply::Raw(body.into())).await.0.unwrap().calls.remove(0);
    assert!(call.id.starts_with("call_") && call.input == json!({}), "{call:?}");
}

#[tokio::test]
async fn thoughts_are_sent_back_unchanged() {
    let thinking = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig\"}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"look\",\"input\":{}}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::Raw(thinking.into()), Reply::say("ok")]).await;
    let (ear, mut talk) = (Ear::default(), begin(&stub, Wire::Anthropic));
    let round = talk.next(Vec::new(), &ear).await.unwrap();
    assert_eq!((ear.text().as_str(), round.usage), ("", Usage { input_tokens: 7, output_tokens: 9 }));
    talk.next(vec![result(&round.calls[0], "x")], &ear).await.unwrap();
    let sent = &stub.seen()[1].body["messages"];
    assert_eq!(sent[3]["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": "sig"}));
}
