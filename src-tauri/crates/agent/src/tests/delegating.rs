//! Colleagues: asked at the same time, answering in whatever order, asking back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore};

use super::bench::{Bench, ID, Setup, all, text};
use crate::testing::{ModelStub, Reply, Wire};

const ADA: &str = "00000000-0000-4000-8000-00000000000a";
const BEN: &str = "00000000-0000-4000-8000-00000000000b";

fn said(words: &str) -> (u16, Value) {
    (200, json!({"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "parts": [{"kind": "text", "text": words}]}}))
}

const ASK_EVERYBODY: &str = "- steps:\n    - delegate: {to: children, task: 'do {{ message }}', as: replies}\n    - reply: \"{% for r in replies %}{{ r.name }}: {{ r.text }}; {% endfor %}\"";

fn team(bench: &Bench) {
    bench.platform.peers(ID, &[(ADA, "Ada", "research", Some(ID)), (BEN, "Ben", "design", Some(ID))]);
}

#[tokio::test]
async fn colleagues_work_at_the_same_time_and_answer_in_order() {
    let bench = Setup::with_rules(ASK_EVERYBODY).start().await;
    team(&bench);
    // Nobody is answered before both were asked.
    let both = Arc::new(Barrier::new(2));
    bench.platform.on_message(move |letter| {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            said(if letter.path.contains(ADA) { "found" } else { "drawn" })
        }
    });
    let answer = bench.send("m", "it").await;
    assert_eq!(text(&answer), "Ada: found; Ben: drawn; ");
    let letters = bench.platform.posted("POST", "/a2a");
    for letter in &letters {
        assert_eq!(letter.workspace.as_deref(), Some(ID));
        assert_eq!(letter.bearer.as_deref(), Some("the-token"));
        let params = &letter.body["params"];
        assert_eq!(params["message"]["parts"][0]["text"], "do it");
        assert_eq!(params["metadata"], json!({"source_workspace_id": ID, "parent_task_id": "m"}));
    }
    // The log names each letter by the id under which the colleague gets it.
    let logged = bench.platform.wait_for("POST", "/activity", 2).await;
    let ids = |posted: &[crate::testing::Posted], at: fn(&Value) -> Value| {
        let mut ids: Vec<String> = posted.iter().map(|each| at(&each.body).to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(
        ids(&letters, |body| body["params"]["message"]["messageId"].clone()),
        ids(&logged, |body| body["request_body"]["params"]["message"]["messageId"].clone()),
    );
    let trace = answer["result"]["metadata"]["tool_trace"].as_array().unwrap();
    assert_eq!((&trace[0]["target_id"], &trace[0]["target_name"]), (&json!(ADA), &json!("Ada")));
}

#[tokio::test]
async fn turns_that_wait_for_others_leave_their_place() {
    let rules = format!("- match: 'ask back'\n  steps: [{{reply: 'answered'}}]\n{ASK_EVERYBODY}");
    let bench = Setup::with_rules(&rules).start().await;
    team(&bench);
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    bench.platform.on_message(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            let _passed = gate.acquire().await.unwrap();
            said("ok")
        }
    });
    let parents: Vec<_> = (0..6).map(|at| bench.sending(&format!("p{at}"), "go")).collect();
    bench.platform.wait_for("POST", "/activity", 12).await;
    // Six turns wait for children, more than there are places; a child asks back and is answered.
    let back = tokio::time::timeout(Duration::from_secs(10), bench.send("back", "ask back")).await;
    assert_eq!(text(&back.expect("parent and child wait for each other")), "answered");
    open.add_permits(12);
    assert!(all(parents).await.iter().all(|answer| text(answer).contains("Ada: ok")));
}

#[tokio::test]
async fn the_fifth_turn_waits_in_line() {
    let stub = ModelStub::start(Wire::Anthropic, None, |seen| match seen.last_text().as_str() {
        "slow" => Reply::Silent("…".into()),
        _ => Reply::say("quick"),
    })
    .await;
    let bench = Setup::with_model(&stub).start().await;
    let slow: Vec<_> = (0..4).map(|at| bench.sending(&format!("s{at}"), "slow")).collect();
    for at in 0..4 {
        bench.until(&format!("s{at}"), "working").await;
    }
    let fifth = bench.sending("fifth", "quick");
    bench.until("fifth", "submitted").await;
    bench.call("tasks/cancel", json!({"id": "s2"})).await;
    assert_eq!(text(&fifth.await.unwrap()), "quick");
    for at in [0, 1, 3] {
        bench.call("tasks/cancel", json!({"id": format!("s{at}")})).await;
    }
    all(slow).await;
}

#[tokio::test]
async fn what_goes_wrong_with_a_colleague_is_told_to_the_model() {
    let bench = Setup::with_rules(ASK_EVERYBODY).start().await;
    team(&bench);
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    bench.platform.on_message(move |letter| {
        let first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        async move {
            match (letter.path.contains(ADA), first) {
                (true, _) => (403, json!({"error": "access denied"})),
                (false, true) => (503, json!({"error": "workspace agent unreachable", "restarting": true})),
                (false, false) => said("back again"),
            }
        }
    });
    let answer = bench.send("m", "go").await;
    assert_eq!(text(&answer), "Ada: you may not send messages to Ada: access denied; Ben: back again; ");
    let to_ben: Vec<_> =
        bench.platform.posted("POST", "/a2a").into_iter().filter(|each| each.path.contains(BEN)).collect();
    assert!(to_ben.len() >= 2);
    assert_eq!(to_ben[0].body["params"]["message"]["messageId"], to_ben[1].body["params"]["message"]["messageId"]);
}

#[tokio::test]
async fn names_that_nobody_has_and_colleagues_that_came_later() {
    let stub = ModelStub::in_order(
        Wire::Anthropic,
        [
            Reply::call("list_peers", json!({})),
            Reply::call("delegate_task", json!({"workspace_id": "Nobody", "task": "x"})),
            Reply::call("delegate_task", json!({"workspace_id": "ada", "task": "x"})),
            Reply::call("delegate_task_async", json!({"workspace_id": ADA, "task": "x"})),
            Reply::say("end"),
        ],
    )
    .await;
    let bench = Setup::with_model(&stub).start().await;
    team(&bench);
    bench.platform.on_message(|_| async { said("here") });
    let answer = bench.send("m", "go").await;
    let trace = answer["result"]["metadata"]["tool_trace"].as_array().unwrap();
    let outcome: Vec<(&str, bool)> =
        trace.iter().map(|step| (step["output_preview"].as_str().unwrap(), step["status"] == "ok")).collect();
    assert!(outcome[1].0.starts_with("there is no colleague") && !outcome[1].1, "{outcome:?}");
    assert_eq!(outcome[2], ("here", true));
    assert_eq!(outcome[3], ("Ada has the task. Its id is d-1.", true));
}

#[tokio::test]
async fn the_prompt_names_the_team_and_what_the_parent_shares() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::say("ok")]).await;
    let mut setup = Setup::with_model(&stub);
    setup.set("PARENT_ID", BEN);
    std::fs::write(setup.configs().join("system-prompt.md"), "You are the worker.").unwrap();
    std::fs::write(setup.configs().join("MEMORY.md"), "The sky is blue.").unwrap();
    std::fs::write(setup.configs().join("knowledge.md"), "unread").unwrap();
    let bench = setup.start().await;
    bench.platform.peers(ID, &[(ADA, "Ada", "research", Some(ID)), (BEN, "Ben", "lead", None)]);
    bench.platform.fix(
        "GET",
        &format!("/workspaces/{ID}/instructions/resolve"),
        200,
        json!({"instructions": "Be brief."}),
    );
    bench.platform.fix(
        "GET",
        &format!("/workspaces/{BEN}/shared-context"),
        200,
        json!([{"path": "style.md", "content": "No jargon."}]),
    );
    bench.send("m", "go").await;
    let system = stub.seen()[0].body["system"].to_string();
    let order = [
        "Be brief.",
        "You are the worker.",
        "The sky is blue.",
        "No jargon.",
        "Ada",
        "your child",
        "your parent",
        "knowledge.md",
        "delegated task fails",
    ];
    let places: Vec<usize> =
        order.iter().map(|words| system.find(words).unwrap_or_else(|| panic!("{words} in {system}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(!system.contains("unread"));
}
