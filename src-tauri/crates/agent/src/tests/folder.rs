//! The person's folder through the tools: nothing is changed that was not shown and approved.

use std::fs;

use serde_json::{Value, json};

use super::bench::{Bench, Setup};
use crate::testing::{ModelStub, Reply, Wire};

/// An agent whose model asks for these tools, each in a round of its own, and then ends.
async fn agent(access: &str, rounds: Vec<Vec<(&str, Value)>>) -> (Bench, ModelStub) {
    let calls = rounds.into_iter().map(|round| {
        let round = round.into_iter().map(|(tool, input)| (tool.to_owned(), input));
        Reply::Call(String::new(), round.collect())
    });
    let stub = ModelStub::in_order(Wire::Anthropic, calls.chain([Reply::say("end")]).collect::<Vec<_>>()).await;
    let mut setup = Setup::with_model(&stub);
    setup.give_folder(access);
    fs::write(setup.folder().join("a.txt"), "alpha\nbeta\n").unwrap();
    fs::write(setup.folder().with_file_name("secret.txt"), "outside").unwrap();
    (setup.start().await, stub)
}

fn outcomes(answer: &Value) -> Vec<(String, bool)> {
    let trace = answer["result"]["metadata"]["tool_trace"].as_array().unwrap_or_else(|| panic!("{answer}"));
    trace.iter().map(|step| (step["output_preview"].as_str().unwrap().to_owned(), step["status"] == "ok")).collect()
}

#[tokio::test]
async fn a_change_is_shown_and_made_only_when_approved() {
    for (decision, by, after) in [
        ("approved", "human", "alpha\ndelta\n"),
        ("denied", "human", "alpha\nbeta\n"),
        ("denied", "auto-expired", "alpha\nbeta\n"),
    ] {
        let edit = json!({"path": "a.txt", "old": "beta", "new": "delta", "reason": "better"});
        let (bench, _stub) = agent("read_write", vec![vec![("edit_file", edit)]]).await;
        let sending = bench.sending("m", "go");
        let asked = bench.platform.wait_for("POST", "/approvals", 1).await.remove(0).body;
        assert_eq!((&asked["action"], &asked["reason"]), (&json!("Change a.txt"), &json!("better")));
        assert_eq!(asked["context"]["path"], "a.txt");
        let diff = asked["context"]["diff"].as_str().unwrap();
        assert!(diff.contains("-beta\n+delta\n"), "{diff}");
        assert_eq!(fs::read_to_string(bench.setup.folder().join("a.txt")).unwrap(), "alpha\nbeta\n");
        bench.until("m", "input-required").await;
        assert_eq!(bench.agent.presence.now(), (1, "Waiting for you: Change a.txt".to_owned()));
        bench.platform.decide(decision, by);
        let answer = sending.await.unwrap();
        assert_eq!(fs::read_to_string(bench.setup.folder().join("a.txt")).unwrap(), after);
        let (text, ok) = outcomes(&answer).remove(0);
        assert_eq!(ok, decision == "approved", "{text}");
        if by == "auto-expired" {
            assert!(text.contains("nobody decided in time"), "{text}");
        }
    }
}

#[tokio::test]
async fn two_changes_of_one_round_are_asked_one_after_the_other() {
    let edit = |old: &str, new: &str| ("edit_file", json!({"path": "a.txt", "old": old, "new": new}));
    let (bench, _stub) = agent("read_write", vec![vec![edit("alpha", "one"), edit("beta", "two")]]).await;
    let sending = bench.sending("m", "go");
    bench.platform.wait_for("POST", "/approvals", 1).await;
    bench.platform.decide("approved", "human");
    let asked = bench.platform.wait_for("POST", "/approvals", 2).await;
    assert!(asked[1].body["context"]["diff"].as_str().unwrap().contains(" one\n-beta"));
    bench.platform.decide("approved", "human");
    assert!(outcomes(&sending.await.unwrap()).iter().all(|(_, ok)| *ok));
    assert_eq!(fs::read_to_string(bench.setup.folder().join("a.txt")).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn a_folder_for_reading_is_only_read() {
    let rounds = vec![vec![
        ("read_file", json!({"path": "/workspace/a.txt"})),
        ("search_files", json!({"pattern": "BETA"})),
        ("list_files", json!({})),
        ("write_file", json!({"path": "a.txt", "content": "x"})),
        ("edit_file", json!({"path": "a.txt", "old": "beta", "new": "x"})),
        ("run_command", json!({"command": "touch made"})),
    ]];
    let (bench, stub) = agent("read_only", rounds).await;
    let answer = bench.send("m", "go").await;
    let found = outcomes(&answer);
    assert_eq!(found.iter().map(|(_, ok)| *ok).collect::<Vec<_>>(), [true, true, true, false, false, false]);
    assert_eq!(found[0].0, "alpha\nbeta");
    assert_eq!(found[1].0, "a.txt:2: beta");
    assert_eq!(found[2].0, "a.txt");
    assert!(bench.platform.posted("POST", "/approvals").is_empty());
    assert_eq!(fs::read_dir(bench.setup.folder()).unwrap().count(), 1);
    let offered = stub.seen()[0].body["tools"].to_string();
    assert!(offered.contains("read_file") && !offered.contains("write_file") && !offered.contains("run_command"));
}

#[tokio::test]
async fn nothing_leads_out_not_even_with_an_approval() {
    let rounds = vec![
        vec![
            ("read_file", json!({"path": "../secret.txt"})),
            ("read_file", json!({"path": "door/secret.txt"})),
            ("read_file", json!({"path": "/etc/passwd"})),
            ("read_file", json!({"path": ".auth_token", "from": "config"})),
            ("read_file", json!({"path": "../../../../secret.txt", "from": "config"})),
            ("write_file", json!({"path": "../new.txt", "content": "x"})),
            ("write_file", json!({"path": "door/new.txt", "content": "x"})),
            ("run_command", json!({"command": "true", "cwd": ".."})),
            ("run_command", json!({"command": "true", "cwd": "door"})),
            ("search_files", json!({"pattern": "outside"})),
        ],
        // Approved, then the way there becomes a link.
        vec![("write_file", json!({"path": "sub/secret.txt", "content": "x"}))],
    ];
    let (bench, _stub) = agent("read_write", rounds).await;
    let folder = bench.setup.folder();
    let outside = folder.parent().unwrap().to_owned();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, folder.join("door")).unwrap();
    fs::create_dir(folder.join("sub")).unwrap();
    let sending = bench.sending("m", "go");
    bench.platform.wait_for("POST", "/approvals", 1).await;
    fs::remove_dir(folder.join("sub")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, folder.join("sub")).unwrap();
    bench.platform.decide("approved", "human");
    let found = outcomes(&sending.await.unwrap());
    let failed = found.iter().filter(|(_, ok)| !ok).count();
    assert_eq!(failed, found.len() - 1, "{found:?}");
    assert_eq!(found[9], ("Nothing fits.".to_owned(), true));
    assert_eq!(bench.platform.posted("POST", "/approvals").len(), 1, "asked for what could not be");
    assert_eq!(fs::read_to_string(outside.join("secret.txt")).unwrap(), "outside");
    assert!(!outside.join("new.txt").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_is_shown_and_run_only_when_approved() {
    for decision in ["approved", "denied"] {
        let command = json!({"command": "echo out; echo made > made.txt; exit 3"});
        let (bench, stub) = agent("read_write", vec![vec![("run_command", command)]]).await;
        let sending = bench.sending("m", "go");
        let asked = bench.platform.wait_for("POST", "/approvals", 1).await.remove(0).body;
        assert_eq!(asked["context"], json!({"command": "echo out; echo made > made.txt; exit 3", "cwd": "."}));
        bench.platform.decide(decision, "human");
        sending.await.unwrap();
        assert_eq!(bench.setup.folder().join("made.txt").exists(), decision == "approved");
        if decision == "approved" {
            assert_eq!(stub.seen()[1].last_text(), "It failed with exit code 3.\nout");
        }
    }
}

#[tokio::test]
async fn a_folder_that_holds_molecules_data_runs_no_commands() {
    let stub = ModelStub::in_order(Wire::Anthropic, [Reply::say("x")]).await;
    let mut setup = Setup::with_model(&stub);
    let above = setup.folder().parent().unwrap().to_str().unwrap().to_owned();
    setup.set("MOLECULE_WORKSPACE_DIR", &above);
    let bench = setup.start().await;
    bench.send("m", "go").await;
    let offered = stub.seen()[0].body["tools"].to_string();
    assert!(offered.contains("write_file") && !offered.contains("run_command"));
}

#[tokio::test]
async fn s186_files_that_an_answer_names_come_with_it() {
    let stub = ModelStub::in_order(
        Wire::Anthropic,
        [Reply::say("See /workspace/a.txt, not /workspace/missing.txt or /workspace/../secret.txt.")],
    )
    .await;
    let mut setup = Setup::with_model(&stub);
    setup.give_folder("read_write");
    fs::write(setup.folder().join("a.txt"), "alpha").unwrap();
    let bench = setup.start().await;
    let answer = bench.send("m", "go").await;
    let parts = answer["result"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2, "{parts:?}");
    let file = &parts[1]["file"];
    assert_eq!((&file["name"], &file["mimeType"], &file["size"]), (&json!("a.txt"), &json!("text/plain"), &json!(5)));
    let stored = file["uri"].as_str().unwrap().strip_prefix("workspace:/workspace/").unwrap();
    assert_eq!(fs::read_to_string(bench.setup.folder().join(stored)).unwrap(), "alpha");
}

#[tokio::test]
async fn s184_s185_a_message_to_the_person_takes_files_along_or_is_not_sent() {
    let send =
        |attachments: Value| vec![("send_message_to_user", json!({"message": "look", "attachments": attachments}))];
    let rounds = vec![
        send(json!(["a.txt", 5, null, {"path": "a.txt"}, "", "/workspace/b.odd"])),
        send(json!(["a.txt", "missing.txt"])),
        send(json!(["../secret.txt"])),
        send(json!("a.txt")),
        send(json!([])),
    ];
    let (bench, stub) = agent("read_write", rounds).await;
    fs::write(bench.setup.folder().join("b.odd"), [0, 1, 2]).unwrap();
    let answer = bench.send("m", "go").await;
    let done: Vec<bool> = outcomes(&answer).iter().map(|(_, ok)| *ok).collect();
    assert_eq!(done, [true, false, false, true, true]);
    assert!(stub.seen()[2].last_text().contains("missing.txt"), "the model is told which file");
    let told = bench.platform.posted("POST", "/notify");
    assert_eq!(told.len(), 3, "a file that is not there sends nothing");
    let files = told[0].body["attachments"].as_array().unwrap();
    let about = |file: &Value| json!([file["name"], file["mimeType"], file["size"]]);
    assert_eq!(
        files.iter().map(about).collect::<Vec<_>>(),
        [json!(["a.txt", "text/plain", 11]), json!(["b.odd", "application/octet-stream", 3]),]
    );
    let path = files[0]["uri"].as_str().unwrap().strip_prefix("workspace:").unwrap();
    let back = bench.file(path).bearer_auth("inbound").send().await.unwrap();
    assert_eq!(back.text().await.unwrap(), "alpha\nbeta\n");
    for plain in &told[1..] {
        assert_eq!(plain.body, json!({"message": "look"}));
    }
}
