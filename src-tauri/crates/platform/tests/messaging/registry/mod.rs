//! Register, heartbeat, cards, discovery (10 §4–§7).

mod beats;
mod discovery;
mod registering;
mod unreadable;

use molecule_model::{WorkspaceId, wire::DeliveryMode};
use serde_json::Value;

use crate::bed::Bed;

async fn register(bed: &Bed, token: Option<&str>, body: &Value) -> (u16, Value) {
    call(bed, "/registry/register", token, body).await
}

async fn call(bed: &Bed, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let request = bed.post(path).json(body);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// A row that was made for an agent which has no token yet.
async fn tokenless(bed: &Bed, mode: DeliveryMode) -> WorkspaceId {
    let known = bed.workspace_as("Bare", None, "external", mode).await;
    bed.sql("DELETE FROM workspace_auth_tokens WHERE workspace_id = ?1", vec![known.id.to_string()]).await;
    bed.app.auth.forget();
    known.id
}
