//! Finding words in what a workspace did and remembers (10 §12.4).

use molecule_platform::activity;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{agent::Agent, bed::Bed};

#[tokio::test(flavor = "multi_thread")]
async fn s12_4_activity_and_memories_newest_first_before_and_after_indexing() {
    let bed = Bed::new().await;
    let agent = Agent::saying("The harvest is in").await;
    let a = bed.agent("A", None, &agent.url).await;
    let b = bed.agent("B", Some(a.id), &agent.url).await;
    bed.say(a.id, "Bring in the HARVEST").send().await.unwrap();
    let path = format!("/workspaces/{}/memories", a.id);
    let memory = json!({"content": "Harvest is in autumn", "scope": "TEAM"});
    bed.post(&path).bearer_auth(&a.token).json(&memory).send().await.unwrap();
    bed.say(b.id, "harvest of another").send().await.unwrap();
    let report = json!({"activity_type": "agent_log", "summary": "100% of the harvest", "status": "timeout"});
    bed.post(&format!("/workspaces/{}/activity", a.id)).bearer_auth(&a.token).json(&report).send().await.unwrap();
    let ask = async |query: &str| -> Value {
        let path = format!("/workspaces/{}/session-search?{query}", a.id);
        let answer = bed.get(&path).bearer_auth(&a.token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{query}");
        answer.json().await.unwrap()
    };
    let kinds = |found: &Value| -> Vec<String> {
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| format!("{} {}", hit["kind"], hit["label"]).replace('"', ""))
            .collect()
    };
    for _ in 0..2 {
        let found = ask("q=%20harVEST%20").await;
        assert_eq!(kinds(&found), ["activity agent_log", "memory TEAM", "activity a2a_receive"]);
        let (log, memory, message) = (&found[0], &found[1], &found[2]);
        assert_eq!(log["content"], "100% of the harvest");
        assert_eq!((&log["source_id"], message.get("source_id"), memory.get("source_id")), (&json!(a.id), None, None));
        assert!(message["duration_ms"].as_i64().unwrap() >= 1);
        assert_eq!(
            (&log["status"], &log["workspace_id"], log.get("request_body")),
            (&json!("timeout"), &json!(a.id), None)
        );
        assert_eq!((&memory["content"], &memory["method"]), (&json!("Harvest is in autumn"), &Value::Null));
        assert_eq!(message["method"], "message/send");
        assert_eq!(message["response_body"]["result"]["parts"][0]["text"], "The harvest is in");
        assert_eq!(message["request_body"]["params"]["message"]["parts"][0]["text"], "Bring in the HARVEST");
        // Each column by itself.
        for (query, expected) in [
            ("q=is%20in%20aut", vec!["memory TEAM"]),
            ("q=bring%20in", vec!["activity a2a_receive"]),
            ("q=message/send", vec!["activity a2a_receive"]),
            ("q=TimeOut", vec!["activity agent_log"]),
            ("q=agent_log", vec!["activity agent_log"]),
            ("q=team", vec!["memory TEAM"]),
            // Wildcards, two characters, nothing at all.
            ("q=b%25g_in", vec!["activity a2a_receive"]),
            ("q=100%25%20of", vec!["activity agent_log"]),
            ("q=of", vec!["activity agent_log"]),
            ("q=no%20such%20words", vec![]),
            ("q=of%20another", vec![]),
        ] {
            assert_eq!(kinds(&ask(query).await), expected, "{query}");
        }
        for (query, count) in [
            ("", 3),
            ("q=", 3),
            ("limit=2", 2),
            ("limit=0", 3),
            ("limit=-1", 3),
            ("limit=x", 3),
            ("limit=99999", 3),
            ("limit=99999999999999999999999", 3),
            ("q=harvest&limit=1", 1),
        ] {
            assert_eq!(ask(query).await.as_array().unwrap().len(), count, "{query}");
        }
        activity::catch_up(&bed.app).await.unwrap();
    }
    // Hostile words are words.
    let long = "a".repeat(20_000);
    for words in ["%22%20OR%20text%3A*", "'%3B--", "%00%00%00%00", "*", "NEAR(abc%20def)", &long] {
        assert_eq!(ask(&format!("q={words}")).await, json!([]), "{words}");
    }
    for path in [format!("/workspaces/{}/session-search", b.id), "/workspaces/nobody/session-search?q=x".into()] {
        let answer = bed.get(&path).bearer_auth(&a.token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(bed.read("/workspaces/nobody/session-search?q=x").await, json!([]));
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_4_the_limit_is_fifty_and_at_most_two_hundred() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    bed.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
         INSERT INTO activity_logs (id, workspace_id, activity_type, summary, status, created_at)
         SELECT 'row-' || i, ?1, 'agent_log', 'needle ' || i, 'ok', '2026-01-01T00:00:00.000000Z' FROM n",
        vec![a.id.to_string()],
    )
    .await;
    for _ in 0..2 {
        for (query, count) in [("", 50), ("&limit=200", 200), ("&limit=201", 200), ("&limit=60", 60)] {
            let found = bed.read(&format!("/workspaces/{}/session-search?q=needle{query}", a.id)).await;
            assert_eq!(found.as_array().unwrap().len(), count, "{query}");
            assert_eq!(found[0]["id"], "row-250");
        }
        activity::catch_up(&bed.app).await.unwrap();
    }
    bed.stop().await;
}
