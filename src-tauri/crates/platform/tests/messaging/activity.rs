//! The log over HTTP (10 §12).

use molecule_model::{WorkspaceId, event::EventKind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn s159_s160_s164_s165_filters_cursors_and_refusals() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let b = bed.workspace("B", None).await;
    let path = format!("/workspaces/{}/activity", a.id);
    for n in 0..5 {
        let kind = if n % 2 == 0 { "a2a_send" } else { "agent_log" };
        let report = json!({"activity_type": kind, "summary": format!("s{n}"), "target_id": if n == 1 { b.id.to_string() } else { String::new() },
            "metadata": {"n": n}, "duration_ms": n});
        let answer = bed.post(&path).bearer_auth(&a.token).json(&report).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, r#"{"status":"logged"}"#));
    }
    let names = |rows: &Value| {
        rows.as_array().unwrap().iter().map(|row| row["summary"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ask = async |query: &str| names(&bed.read(&format!("{path}{query}")).await);
    assert_eq!(ask("").await, ["s4", "s3", "s2", "s1", "s0"]);
    assert_eq!(ask("?limit=2").await, ["s4", "s3"]);
    for limit in ["0", "-1", "x", ""] {
        assert_eq!(ask(&format!("?limit={limit}")).await.len(), 5, "{limit}");
    }
    assert_eq!(ask("?type=agent_log").await, ["s3", "s1"]);
    assert_eq!(ask("?source=canvas").await, [""; 0]);
    assert_eq!(ask("?source=agent&type=a2a_send&limit=1").await, ["s4"]);
    assert_eq!(ask(&format!("?peer_id={}", b.id)).await, ["s1"]);
    // Ascending whenever a cursor or a time is given (R-36); zero seconds is from now (R-31).
    assert_eq!(ask("?since_secs=60&limit=2").await, ["s0", "s1"]);
    assert_eq!(ask("?since_secs=99999999").await.len(), 5);
    assert_eq!(ask("?since_secs=0").await, [""; 0]);
    let rows = bed.read(&path).await;
    let id = |n: usize| rows[n]["id"].as_str().unwrap();
    assert_eq!(ask(&format!("?since_id={}", id(4))).await, ["s1", "s2", "s3", "s4"]);
    assert_eq!(ask(&format!("?since_id={}&type=agent_log&since_secs=60", id(4))).await, ["s1", "s3"]);
    assert_eq!(ask(&format!("?since_id={}", id(0))).await, [""; 0]);
    let at = rows[2]["created_at"].as_str().unwrap();
    assert_eq!(ask(&format!("?before_ts={at}")).await, ["s1", "s0"]);
    assert_eq!(ask("?before_ts=2099-01-01T00:00:00%2B01:00&limit=1").await, ["s4"]);

    let refused = [
        ("?source=robot", 400),
        ("?since_secs=-1", 400),
        ("?since_secs=1.5", 400),
        ("?since_secs=x", 400),
        ("?before_ts=yesterday", 400),
        ("?before_ts=2099-01-01T00:00:00+01:00", 400),
        ("?peer_id=x", 400),
        ("?since_id=00000000-0000-0000-0000-000000000000", 410),
        ("?since_id=x", 410),
    ];
    for (query, status) in refused {
        let answer = bed.get(&format!("{path}{query}")).bearer_auth(&a.token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
        assert!(answer.json::<Value>().await.unwrap()["error"].is_string());
    }
    // A cursor of another workspace is as gone as any (S162).
    let foreign = format!("/workspaces/{}/activity?since_id={}", b.id, id(0));
    assert_eq!(bed.get(&foreign).bearer_auth(&b.token).send().await.unwrap().status(), StatusCode::GONE);
    // An unknown workspace has no activity (40 §11).
    assert_eq!(bed.read(&format!("/workspaces/{}/activity", WorkspaceId::random())).await, json!([]));

    // Every key of the contract, present when null, bodies absent when there are none.
    let row = &rows[0];
    let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let want = [
        "id",
        "workspace_id",
        "activity_type",
        "source_id",
        "target_id",
        "method",
        "summary",
        "duration_ms",
        "status",
        "error_detail",
        "created_at",
        "request_body",
    ];
    assert_eq!(keys, want);
    assert_eq!(
        (&row["request_body"], &row["source_id"], &row["target_id"]),
        (&json!({"n": 4}), &json!(a.id), &Value::Null)
    );

    // The view of all workspaces, by number.
    let all = bed.read("/activity?limit=3").await;
    assert_eq!(names(&all), ["s4", "s3", "s2"]);
    let older = bed.read(&format!("/activity?before_seq={}", all[2]["seq"])).await;
    assert_eq!(names(&older), ["s1", "s0"]);
    assert_eq!(bed.get("/activity").bearer_auth(&a.token).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s166_r74_reports_that_are_cut_and_refused() {
    let bed = Bed::new().await;
    let a = bed.workspace("A", None).await;
    let b = bed.workspace("B", None).await;
    let path = format!("/workspaces/{}/activity", a.id);
    let list = "a2a_send, a2a_receive, task_update, agent_log, skill_promotion, memory_write, error";
    let table = [
        (json!({}), 400, "ActivityType is required".to_owned()),
        (json!({"activity_type": ""}), 400, "ActivityType is required".to_owned()),
        (json!({"activity_type": "delegation"}), 400, format!("invalid activity_type, must be one of: {list}")),
        (json!({"activity_type": 5}), 400, "invalid request body".to_owned()),
        (json!({"activity_type": "error", "duration_ms": 1.5}), 400, "invalid request body".to_owned()),
        (json!([]), 400, "invalid request body".to_owned()),
        (
            json!({"activity_type": "error", "source_id": b.id}),
            403,
            "source_id must match authenticated workspace".to_owned(),
        ),
    ];
    for (body, status, text) in table {
        let answer = bed.post(&path).bearer_auth(&a.token).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({"error": text}), "{body}");
    }
    assert!(bed.activity(a.id).await.is_empty());
    // Long words are cut, an unknown status is no reason to lose a row, and the event tells it.
    let mut events = bed.events();
    let report = json!({"activity_type": "error", "source_id": a.id, "summary": "ä".repeat(300), "error_detail": "x".repeat(5000), "status": "success",
        "response_body": {"result": "r"}});
    assert_eq!(bed.post(&path).bearer_auth(&a.token).json(&report).send().await.unwrap().status(), StatusCode::OK);
    let row = &bed.activity(a.id).await[0];
    assert_eq!(row["summary"].as_str().unwrap().chars().count(), 256);
    assert_eq!(row["error_detail"].as_str().unwrap().len(), 4096);
    assert_eq!(row["status"], "ok");
    let told = events.next(EventKind::ActivityLogged).await;
    assert_eq!(told.envelope.payload.fields()["response_body"], json!({"result": "r"}));
    assert!(told.envelope.payload.fields().get("request_body").is_none());
    bed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s169_s170_s171_an_agent_tells_the_person() {
    let bed = Bed::new().await;
    let a = bed.workspace("Herald", None).await;
    let path = format!("/workspaces/{}/notify", a.id);
    let mut events = bed.events();
    let file = json!({"uri": "workspace:/workspace/x.txt", "name": "x.txt", "mimeType": "text/plain", "size": 12});
    let body =
        json!({"message": "l".repeat(90), "attachments": [file, {"uri": "u", "name": "n", "size": 0, "mimeType": ""}]});
    let answer = bed.post(&path).bearer_auth(&a.token).json(&body).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, r#"{"status":"sent"}"#));
    let told = events.next(EventKind::AgentMessage).await;
    let want = json!({"message": "l".repeat(90), "workspace_id": a.id, "name": "Herald", "attachments": [file, {"uri": "u", "name": "n"}]});
    assert_eq!(told.envelope.payload.fields(), want);
    assert!(!events.waiting().contains(&EventKind::ActivityLogged));
    let history = bed.read(&format!("/workspaces/{}/activity?type=a2a_receive&source=canvas", a.id)).await;
    let row = &history[0];
    assert_eq!(
        (&row["method"], &row["source_id"], &row["data"]["source"]),
        (&json!("notify"), &Value::Null, &json!("self"))
    );
    assert_eq!(row["summary"], format!("Agent message: {}…", "l".repeat(80)));
    assert_eq!(
        row["response_body"]["parts"],
        json!([{"kind": "file", "file": file}, {"kind": "file", "file": {"uri": "u", "name": "n"}}])
    );
    // Without attachments there are no parts, not even empty ones.
    bed.post(&path).bearer_auth(&a.token).json(&json!({"message": "short", "attachments": []})).send().await.unwrap();
    assert_eq!(bed.activity(a.id).await[0]["response_body"], json!({"result": "short"}));
    let refused = [
        (json!({"message": ""}), "message is required"),
        (json!({"type": "x"}), "message is required"),
        (json!({"message": 5}), "message is required"),
        (json!({"message": "m", "attachments": {}}), "message is required"),
        (json!({"message": "m", "attachments": [file, {"uri": "u"}]}), "attachment[1]: uri and name are required"),
        (
            json!({"message": "m", "attachments": [{"name": "n", "uri": ""}]}),
            "attachment[0]: uri and name are required",
        ),
    ];
    for (body, text) in refused {
        let answer = bed.post(&path).bearer_auth(&a.token).json(&body).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap()),
            (400, json!({"error": text})),
            "{body}"
        );
    }
    let nobody = format!("/workspaces/{}/notify", WorkspaceId::random());
    let answer = bed.post(&nobody).bearer_auth(&bed.admin).json(&json!({"message": "m"})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(bed.activity(a.id).await.len(), 2);
    bed.stop().await;
}
