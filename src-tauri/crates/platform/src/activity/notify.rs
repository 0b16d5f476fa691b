//! `POST /workspaces/:id/notify`: an agent tells the person something (10 §12.5, S169–S171).

use axum::{
    Json,
    extract::{Path, State},
};
use molecule_model::{Status, WorkspaceId, event::EventKind, preview};
use molecule_store::{
    activity::{self, NewActivity},
    outbox::NewEvent,
    workspaces,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::event::agent_message;
use crate::{App, AppError, AppResult, http::body};

/// How much of the words stands in the row's summary, characters.
const SUMMARY: usize = 80;

#[derive(Deserialize, ToSchema)]
pub(super) struct Notify {
    message: String,
    #[serde(default)]
    attachments: Option<Vec<Attachment>>,
}

/// A file that goes with the words.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
pub struct Attachment {
    #[serde(default)]
    uri: String,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "mimeType", skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
}

impl Attachment {
    /// Without what says nothing.
    fn tidy(mut self) -> Self {
        self.mime_type = self.mime_type.filter(|mime| !mime.is_empty());
        self.size = self.size.filter(|size| *size > 0);
        self
    }
}

/// Pushes words and files into the person's chat.
#[utoipa::path(post, path = "/workspaces/{id}/notify", tag = "activity", params(("id" = String, Path)), request_body = Notify,
    responses((status = 200), (status = 400), (status = 404)))]
pub(super) async fn notify(
    State(app): State<App>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let given: Notify = body.json("message is required")?;
    let id = WorkspaceId::parse_loose(&id);
    told(&app, id, &given.message, given.attachments.unwrap_or_default()).await?;
    Ok(Json(json!({"status": "sent"})))
}

/// Puts words and files of agent `id` into the person's chat: kept, and shown now.
///
/// # Errors
/// 400 for words or files that say nothing; 404 for an unknown or removed workspace.
pub async fn tell(app: &App, id: WorkspaceId, message: &str, files: Vec<Attachment>) -> AppResult<()> {
    told(app, Some(id), message, files).await
}

/// What is wrong with the words goes before what is wrong with the id: `None` is a malformed one.
async fn told(app: &App, id: Option<WorkspaceId>, message: &str, files: Vec<Attachment>) -> AppResult<()> {
    if message.is_empty() {
        return Err(AppError::bad_request("message is required"));
    }
    let attachments: Vec<Attachment> = files.into_iter().map(Attachment::tidy).collect();
    if let Some(at) = attachments.iter().position(|file| file.uri.is_empty() || file.name.is_empty()) {
        return Err(AppError::bad_request(format!("attachment[{at}]: uri and name are required")));
    }
    let missing = || AppError::not_found("workspace not found");
    let id = id.ok_or_else(missing)?;
    let found = app.store.read(move |conn| workspaces::get(conn, id)).await?;
    let found = found.filter(|row| row.status != Status::Removed).ok_or_else(missing)?;

    let files: Vec<Value> = attachments.into_iter().map(|file| json!(file)).collect();
    let mut answer = json!({"result": message});
    if !files.is_empty() {
        answer["parts"] = files.iter().map(|file| json!({"kind": "file", "file": file})).collect();
    }
    // No source: chat history is what the person said and was told (10 §12.5).
    let row = NewActivity {
        method: Some("notify".into()),
        summary: Some(format!("Agent message: {}", preview::ellipsis(message, SUMMARY))),
        response_body: Some(answer.to_string()),
        ..NewActivity::new(id, "a2a_receive")
    };
    let payload = agent_message(&id.to_string(), &found.name, &json!(message), files);
    let shown = payload.clone();
    let written = app
        .store
        .write(move |tx| {
            let seq = activity::insert(tx, &row)?;
            tx.emit(NewEvent::mirror(EventKind::AgentMessage, id, payload.clone().into(), seq)).map(drop)
        })
        .await;
    if let Err(error) = written {
        // The words are not kept, but the person sees them now.
        tracing::error!(workspace_id = %id, %error, "an agent's message was not written");
        app.bus.ephemeral(EventKind::AgentMessage, Some(id), app.now(), shown);
    }
    Ok(())
}
