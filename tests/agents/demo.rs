//! Done when 2: the demo organisation works, and the work is its delegates'.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bed::{answer_text, message, named, organisation, received, text};
use crate::support::{TestServer, process};

#[tokio::test]
async fn done_when_2_a_question_is_answered_with_the_words_of_two_delegates() {
    let server = TestServer::start().await;
    let members = organisation(&server, "product-team").await;
    assert_eq!(members.len(), 5);
    let mut pids = BTreeSet::new();
    for member in &members {
        let state = server.data().join("workspaces").join(&member.id).join("run.json");
        let state: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
        let pid = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
        assert!(process::is_alive(pid), "{}", member.name);
        pids.insert(pid);
    }
    assert_eq!(pids.len(), 5, "five processes of their own");
    assert_eq!(server.agents().into_iter().collect::<BTreeSet<_>>(), pids);

    let nonce = || uuid::Uuid::new_v4().simple().to_string();
    let told: Vec<(String, String)> =
        ["Research lead", "Engineering lead"].iter().map(|name| (named(&members, name).id.clone(), nonce())).collect();
    for (id, nonce) in &told {
        let notes = server.data().join("workspaces").join(id).join("configs/knowledge.md");
        std::fs::write(notes, format!("- The word of the day is {nonce}.\n")).unwrap();
    }
    let root = &named(&members, "Product lead").id;
    let api = server.admin();
    let answer =
        api.post(&format!("/workspaces/{root}/a2a"), &message("What should we change next?", "q-1")).await.expect(200);
    let words = answer_text(&answer);
    for (id, nonce) in &told {
        assert!(words.contains(nonce), "{words}");
        let rows = received(&api, id).await;
        assert!(!rows.is_empty());
        for row in rows {
            assert_eq!(text(&row, "source_id"), *root, "the root asked: {row}");
            assert_eq!(row["request_body"]["params"]["metadata"]["parent_task_id"], "q-1");
            assert!(row["response_body"].to_string().contains(nonce));
        }
    }
    // The third level was asked by the second, not by the root.
    let analyst = &named(&members, "Data analyst").id;
    assert_eq!(text(&received(&api, analyst).await[0], "source_id"), named(&members, "Research lead").id);
    assert!(answer["result"]["usage"]["output_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn any_question_to_any_shipped_root_leads_to_two_delegates() {
    let server = TestServer::start().await;
    let api = server.admin();
    for (dir, root) in [("product-team", "Product lead"), ("code-review", "Review lead")] {
        let made = api.post("/org/import", &serde_json::json!({"dir": dir})).await.expect(201);
        let members = made["workspaces"].as_array().unwrap().clone();
        let all = api.get("/workspaces").await.expect(200).as_array().unwrap().len();
        super::bed::everybody_online(&server, all).await;
        let id = text(members.iter().find(|row| row["name"] == root).unwrap(), "id");
        for question in [
            "x",
            "???",
            "Wie geht es weiter?",
            "Please look at this:\n\n- one\n- two\n\nand tell me what you think of it.",
        ] {
            let key = uuid::Uuid::new_v4().to_string();
            let answer = api.post(&format!("/workspaces/{id}/a2a"), &message(question, &key)).await.expect(200);
            let trace = answer["result"]["metadata"]["tool_trace"].as_array().cloned().unwrap_or_default();
            let asked: BTreeSet<String> = trace
                .iter()
                .filter(|step| step["tool"] == "delegate_task")
                .map(|step| text(step, "target_name"))
                .collect();
            assert!(asked.len() >= 2, "{dir} {question:?}: {asked:?}");
            let words = answer_text(&answer);
            assert!(asked.iter().all(|name| words.contains(name.as_str())), "{dir} {question:?}: {words}");
        }
    }
}

#[tokio::test]
async fn an_approval_is_asked_and_its_answer_counts_and_a_memory_is_kept() {
    let server = TestServer::start().await;
    let members = organisation(&server, "product-team").await;
    let root = named(&members, "Product lead").id.clone();
    let api = server.admin();
    let send = |words: &'static str| {
        let (api, root) = (api.clone(), root.clone());
        tokio::spawn(async move {
            let key = uuid::Uuid::new_v4().to_string();
            answer_text(&api.post(&format!("/workspaces/{root}/a2a"), &message(words, &key)).await.expect(200))
        })
    };
    for (decision, words) in [("denied", "nothing was published"), ("approved", "Approved and published")] {
        let answer = send("Publish the plan");
        let pending = crate::support::eventually("the question", || async {
            let rows = api.get("/approvals/pending").await.expect(200);
            rows.as_array().unwrap().first().cloned().ok_or("none yet")
        })
        .await;
        assert_eq!(pending["workspace_id"], root.as_str());
        let path = format!("/workspaces/{root}/approvals/{}/decide", text(&pending, "id"));
        api.post(&path, &serde_json::json!({"decision": decision})).await.expect(200);
        let said = answer.await.unwrap();
        assert!(said.contains(words), "{decision}: {said}");
    }
    assert!(send("Remember that the demo is on Friday").await.unwrap().contains("the demo is on Friday"));
    assert!(send("What do you remember?").await.unwrap().contains("the demo is on Friday"));
}
