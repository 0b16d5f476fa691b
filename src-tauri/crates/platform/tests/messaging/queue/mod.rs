//! The busy queue (10 §10, S144–S158).

mod accepting;
mod delegated;
mod draining;
mod ending;
mod stuck;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bed::{Bed, Known, PATIENCE, message};

const QUEUED: &str = "workspace agent busy — request queued, will dispatch when capacity available";

impl Bed {
    /// The person says it, and the agent is busy.
    async fn park(&self, to: &Known, text: &str) -> String {
        parked(self.say(to.id, text).send().await.unwrap()).await
    }

    /// As another agent.
    fn ask(&self, from: &Known, to: &Known, text: &str) -> reqwest::RequestBuilder {
        let path = format!("/workspaces/{}/a2a", to.id);
        self.post(&path).bearer_auth(&from.token).json(&message("message/send", text))
    }

    async fn beat(&self, of: &Known) {
        self.beat_with(of, json!({})).await;
    }

    async fn beat_with(&self, of: &Known, more: Value) {
        let mut beat = json!({"workspace_id": of.id, "active_tasks": 0});
        beat.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.post("/registry/heartbeat").bearer_auth(&of.token).json(&beat).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn item(&self, to: &Known, queue_id: &str) -> Value {
        self.read(&format!("/workspaces/{}/a2a/queue/{queue_id}", to.id)).await
    }

    /// Waits until the row looks like this.
    async fn until(&self, to: &Known, queue_id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = std::time::Instant::now();
        loop {
            let item = self.item(to, queue_id).await;
            if wanted(&item) {
                return item;
            }
            assert!(began.elapsed() < PATIENCE, "it stays {item}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn queued(&self) -> i64 {
        let count = |conn: &molecule_store::rusqlite::Connection| {
            Ok(conn.query_row("SELECT count(*) FROM a2a_queue", [], |row| row.get(0))?)
        };
        self.app.store.read(count).await.unwrap()
    }
}

async fn parked(answer: reqwest::Response) -> String {
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["queued"], &body["message"]), (&json!(true), &json!(QUEUED)), "{body}");
    body["queue_id"].as_str().unwrap().to_owned()
}

fn is(status: &str) -> impl Fn(&Value) -> bool {
    move |item| item["status"] == status
}

async fn delegate(bed: &Bed, from: &Known, to: &Known) -> String {
    let body = json!({"target_id": to.id, "task": "dig", "idempotency_key": "k"});
    let path = format!("/workspaces/{}/delegate", from.id);
    let answer = bed.post(&path).bearer_auth(&from.token).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["status"], "delegated", "{answer}");
    answer["delegation_id"].as_str().unwrap().to_owned()
}

async fn listed(bed: &Bed, of: &Known) -> Value {
    let list = bed.read(&format!("/workspaces/{}/delegations", of.id)).await;
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    list[0].clone()
}
