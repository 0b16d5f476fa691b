use molecule_model::event::EventKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bed::Bed;

#[tokio::test]
async fn an_edit_counts_as_a_whole_and_is_told() {
    let bed = Bed::new().await;
    let id = bed.create(json!({"name": "Mine", "role": "r", "external": true})).await;
    let path = format!("/workspaces/{id}");
    let mut heard = bed.listen();
    let body = json!({"name": "Renamed", "role": "", "tier": 4, "x": 1.25, "y": -7, "collapsed": true, "budget_limit": 5, "status": "online", "nonsense": {}});
    let (status, answer) = bed.ask(Method::PATCH, &path, body).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"status": "updated"})));
    let row = bed.row(id).await;
    assert_eq!(
        (
            row["name"].as_str(),
            row["role"].clone(),
            row["tier"].as_i64(),
            row["x"].as_f64(),
            row["y"].as_f64(),
            row["collapsed"].as_bool()
        ),
        (Some("Renamed"), Value::Null, Some(4), Some(1.25), Some(-7.0), Some(true))
    );
    assert_eq!((row["status"].as_str(), row["budget_limit"].clone()), (Some("awaiting_agent"), Value::Null));
    let event = heard.next(&[EventKind::WorkspaceUpdated]).await;
    assert_eq!(event.envelope.payload.fields()["name"], "Renamed");
    assert_eq!(event.envelope.seq, None, "broadcast only");

    // One bad key, and nothing counts.
    for bad in [
        json!({"name": null}),
        json!({"name": 3}),
        json!({"tier": "2"}),
        json!({"tier": null}),
        json!({"x": "1", "y": 1}),
        json!({"collapsed": null}),
        json!({"runtime": "langgraph"}),
        json!({"runtime": null}),
        json!({"parent_id": "x"}),
        json!({"parent_id": id}),
        json!({"workspace_dir": "/etc"}),
        json!({"name": "a{b"}),
    ] {
        let mut body = json!({"role": "changed"});
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        let (status, answer) = bed.ask(Method::PATCH, &path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad} {answer}");
    }
    assert_eq!(bed.row(id).await["role"], Value::Null);
    // x alone moves nothing.
    assert_eq!(bed.ask(Method::PATCH, &path, json!({"x": 9})).await.0, StatusCode::OK);
    assert_eq!(bed.row(id).await["x"], 1.25);
    for (path, body, status) in [
        ("/workspaces/nobody".to_owned(), json!({}), StatusCode::BAD_REQUEST),
        ("/workspaces/7a7d8a52-6d0e-4f0c-9b39-0f9a2a3a6a11".to_owned(), json!({}), StatusCode::NOT_FOUND),
        (path, json!([]), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(bed.ask(Method::PATCH, &path, body).await.0, status);
    }
}

#[tokio::test]
async fn parents_change_but_never_in_a_circle() {
    let bed = Bed::new().await;
    let root = bed.create(json!({"name": "Root", "external": true})).await;
    let child = bed.create(json!({"name": "Child", "external": true, "parent_id": root})).await;
    let (status, _) = bed.ask(Method::PATCH, &format!("/workspaces/{root}"), json!({"parent_id": child})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = bed.ask(Method::PATCH, &format!("/workspaces/{child}"), json!({"parent_id": null})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(bed.row(child).await["parent_id"], Value::Null);
}

#[tokio::test]
async fn the_folder_is_the_persons_to_choose() {
    let bed = Bed::new().await;
    let id = bed.online("Scribe").await;
    let path = format!("/workspaces/{id}");
    let body = json!({"workspace_dir": bed.home.path().join("project")});
    let (status, _) = bed.ask_as(Some(&bed.token(id)), Method::PATCH, &path, body.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, answer) = bed.ask(Method::PATCH, &path, body).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"status": "updated", "needs_restart": true})));
    // Its own name it may change.
    let (status, _) = bed.ask_as(Some(&bed.token(id)), Method::PATCH, &path, json!({"name": "Me"})).await;
    assert_eq!(status, StatusCode::OK);
}
