use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::profile::Profile;

#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Voice for Ear {
    fn say(&self, delta: &str) {
        self.0.lock().unwrap().push(delta.to_owned());
    }

    fn paragraph(&self) {
        self.say("¶");
    }
}

impl Ear {
    fn text(&self) -> String {
        self.0.lock().unwrap().concat()
    }
}

fn cast(name: &str, role: &str, relation: &'static str) -> Cast {
    Cast { id: format!("id-{name}"), name: name.into(), role: role.into(), status: "online".into(), relation }
}

fn play(yaml: &str, message: &str) -> Rehearsal {
    let profile = Profile::parse(yaml).unwrap();
    let scene = Scene {
        message: message.into(),
        name: "Lead".into(),
        role: "lead".into(),
        cast: vec![cast("Ada", "research", "child"), cast("Ben", "design", "child"), cast("Cleo", "sales", "sibling")],
    };
    Rehearsal::begin(profile.rehearsal.as_ref(), scene)
}

/// Plays to the end; every tool answers with `answer(call)`.
async fn run(
    yaml: &str,
    message: &str,
    answer: impl Fn(&ToolCall) -> ToolResult,
) -> (String, Vec<ToolCall>, Result<Usage, Fault>) {
    let (ear, mut playing) = (Ear::default(), play(yaml, message));
    let (mut calls, mut usage, mut results) = (Vec::new(), Usage::default(), Vec::new());
    loop {
        match playing.next(std::mem::take(&mut results), &ear).await {
            Err(fault) => return (ear.text(), calls, Err(fault)),
            Ok(round) => {
                usage += round.usage;
                if round.calls.is_empty() {
                    return (ear.text(), calls, Ok(usage));
                }
                results = round.calls.iter().map(&answer).collect();
                calls.extend(round.calls);
            }
        }
    }
}

fn ok(call: &ToolCall, text: &str, data: serde_json::Value) -> ToolResult {
    ToolResult { call_id: call.id.clone(), text: text.into(), is_error: false, data }
}

fn no_tools(call: &ToolCall) -> ToolResult {
    panic!("no tool expected: {call:?}")
}

#[tokio::test]
async fn the_first_fitting_rule_is_played() {
    let yaml = r"
rehearsal:
  words_per_second: 0
  rules:
    - match: 'remember (?P<fact>.+)'
      steps: [{reply: 'fact: {{fact}}'}]
    - match: '^hello'
      steps: [{reply: 'hi from {{ name }}'}]
    - steps: [{reply: 'else: {{ message }}'}]
";
    let table = [
        ("please REMEMBER that it rains", "fact: that it rains"),
        ("Hello you", "hi from Lead"),
        ("oh hello", "else: oh hello"),
    ];
    for (message, reply) in table {
        assert_eq!(run(yaml, message, no_tools).await.0, reply, "{message}");
    }
}

#[tokio::test]
async fn no_rule_and_no_script_say_so_and_quote_the_message_unread() {
    for yaml in ["", "rehearsal:\n  rules:\n    - match: x\n      steps: [{reply: y}]"] {
        let (text, _, usage) = run(yaml, "what is {{ 7 * 6 }}?", no_tools).await;
        assert!(text.contains("No rehearsal script covers this message: “what is {{ 7 * 6 }}?”"), "{text}");
        assert!(usage.unwrap().output_tokens > 0);
    }
}

#[tokio::test]
async fn children_are_asked_at_the_same_time_and_their_words_come_back() {
    let yaml = r#"
rehearsal:
  words_per_second: 0
  rules:
    - steps:
        - say: "One moment."
        - delegate: {to: children, task: "do: {{message}}", as: replies}
        - reply: "{% for r in replies %}**{{ r.name }}**: {{ r.text }}\n{% endfor %}"
"#;
    let (text, calls, _) =
        run(yaml, "it", |call| ok(call, &format!("done by {}", call.input["workspace_id"]), json!(null))).await;
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.name == "delegate_task" && call.input["task"] == "do: it"));
    assert_eq!(text, "One moment.¶**Ada**: done by \"id-Ada\"\n**Ben**: done by \"id-Ben\"\n");
}

#[tokio::test]
async fn colleagues_are_found_by_name_list_and_role() {
    let asked = |to: &str| {
        let yaml = format!(
            "rehearsal:\n  words_per_second: 0\n  rules:\n    - steps:\n        - delegate: {{to: {to}, task: t}}\n        - reply: '.'"
        );
        async move {
            let (_, calls, _) = run(&yaml, "m", |call| ok(call, "x", json!(null))).await;
            calls.into_iter().map(|call| call.input["workspace_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(asked("ben").await, ["id-Ben"]);
    assert_eq!(asked("[Ada, Cleo]").await, ["id-Ada", "id-Cleo"]);
    assert_eq!(asked("{role: 'des|sal'}").await, ["id-Ben", "id-Cleo"]);
    // The tool tells that there is nobody of that name.
    assert_eq!(asked("Nobody").await, ["Nobody"]);
    assert_eq!(asked("{role: nothing}").await, Vec::<String>::new());
}

#[tokio::test]
async fn files_and_memories_fill_later_texts() {
    let yaml = r#"
rehearsal:
  words_per_second: 0
  rules:
    - steps:
        - read_file: {path: knowledge.md, as: notes}
        - recall: {query: "{{message}}", as: known}
        - remember: {content: "{{message}}!", scope: TEAM}
        - reply: "{{notes}}|{{known | join(';')}}|{{ missing }}"
"#;
    let (text, calls, _) = run(yaml, "q", |call| match call.name.as_str() {
        "read_file" => ok(call, "the notes", json!(null)),
        "recall_memory" => ok(call, "…", json!(["a", "b"])),
        _ => ok(call, "", json!(null)),
    })
    .await;
    assert_eq!(text, "the notes|a;b|");
    assert_eq!(calls[0].input, json!({"path": "knowledge.md", "from": "config"}));
    assert_eq!(calls[1].input, json!({"query": "q", "scope": ""}));
    assert_eq!(calls[2].input, json!({"content": "q!", "scope": "TEAM"}));
}

#[tokio::test]
async fn a_denial_ends_the_turn_with_its_own_words() {
    let yaml = r#"
rehearsal:
  words_per_second: 0
  rules:
    - steps:
        - ask_approval: {action: "Send it", reason: "because", as: verdict, on_denied: "Then not."}
        - reply: "sent: {{ verdict }}"
"#;
    let decide =
        |approved: bool| move |call: &ToolCall| ToolResult { is_error: !approved, ..ok(call, "", json!(null)) };
    assert_eq!(run(yaml, "m", decide(true)).await.0, "sent: approved");
    assert_eq!(run(yaml, "m", decide(false)).await.0, "Then not.");
    let without = yaml.replace(", on_denied: \"Then not.\"", "");
    assert_eq!(run(&without, "m", decide(false)).await.0, "sent: denied");
}

#[tokio::test]
async fn a_rehearsed_failure_carries_its_code() {
    let yaml = "rehearsal:\n  rules:\n    - steps: [{fail: {code: model_rate_limited, text: 'slow, {{name}}'}}, {reply: never}]";
    let (text, _, end) = run(yaml, "m", no_tools).await;
    let fault = end.unwrap_err();
    assert_eq!((text.as_str(), fault.code.as_ref(), fault.text.as_str()), ("", "model_rate_limited", "slow, Lead"));
}

#[tokio::test(start_paused = true)]
async fn text_comes_at_its_pace_and_pauses_count() {
    let yaml = "rehearsal:\n  words_per_second: 10\n  rules:\n    - steps: [{wait_ms: 500}, {reply: 'one two three four five six'}]";
    let (ear, mut playing) = (Ear::default(), play(yaml, "m"));
    let started = tokio::time::Instant::now();
    playing.next(Vec::new(), &ear).await.unwrap();
    // Half a second of pause and five gaps between six words.
    assert!(started.elapsed().abs_diff(Duration::from_secs(1)) < Duration::from_millis(20), "{:?}", started.elapsed());
    assert_eq!(ear.0.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn tokens_are_words_times_thirteen_tenths() {
    let yaml = "rehearsal:\n  words_per_second: 0\n  rules: [{steps: [{reply: 'a b c d e f g h i j'}]}]";
    let usage = run(yaml, "one two", no_tools).await.2.unwrap();
    assert_eq!(usage, Usage { input_tokens: 3, output_tokens: 13 });
}

#[tokio::test]
async fn the_same_script_plays_the_same_twice() {
    let yaml = "rehearsal:\n  words_per_second: 0\n  rules: [{steps: [{delegate: {to: children, task: t, as: r}}, {reply: '{{ r }}'}]}]";
    let once = run(yaml, "m", |call| ok(call, "x", json!(null))).await;
    let again = run(yaml, "m", |call| ok(call, "x", json!(null))).await;
    assert_eq!((once.0, once.1), (again.0, again.1));
}
