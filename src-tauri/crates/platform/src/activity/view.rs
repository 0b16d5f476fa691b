//! An activity row on the wire (10 §12.1, R-78).

use molecule_model::{Timestamp, WorkspaceId};
use molecule_store::activity::Activity;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An activity row.
#[derive(Serialize, ToSchema)]
pub struct ActivityView {
    id: String,
    workspace_id: WorkspaceId,
    activity_type: String,
    source_id: Option<String>,
    target_id: Option<String>,
    method: Option<String>,
    summary: Option<String>,
    duration_ms: Option<i64>,
    status: String,
    error_detail: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request_body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    response_body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    tool_trace: Option<Box<RawValue>>,
    /// `activity_type` again, on inbound rows.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// What a polling agent reads of an inbound row.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Inbound>,
    /// Its place among the rows of all workspaces; only in the list of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
}

/// An inbound message in short: derived on read, not stored.
#[derive(Serialize, ToSchema)]
struct Inbound {
    text: String,
    /// `canvas_user`, `peer_agent` or `self`.
    source: &'static str,
    peer_name: String,
    peer_role: String,
    agent_card_url: String,
}

impl ActivityView {
    /// As `GET /workspaces/:id/activity` lists it; `base` is our own address.
    #[must_use]
    pub fn new(row: Activity, base: &str) -> Self {
        let data = (row.activity_type == "a2a_receive").then(|| Inbound::of(&row, base));
        Self {
            id: row.id,
            workspace_id: row.workspace_id,
            activity_type: row.activity_type,
            source_id: row.source_id,
            target_id: row.target_id,
            method: row.method,
            summary: row.summary,
            duration_ms: row.duration_ms,
            status: row.status,
            error_detail: row.error_detail,
            created_at: row.created_at,
            request_body: row.request_body,
            response_body: row.response_body,
            tool_trace: row.tool_trace,
            kind: data.is_some().then_some("a2a_receive"),
            data,
            seq: None,
        }
    }

    /// As the list of all workspaces has it.
    #[must_use]
    pub fn numbered(row: Activity, base: &str) -> Self {
        let seq = Some(row.seq);
        Self { seq, ..Self::new(row, base) }
    }
}

impl Inbound {
    fn of(row: &Activity, base: &str) -> Self {
        let own = row.source_id.as_deref() == Some(row.workspace_id.to_string().as_str());
        let source = match &row.source_id {
            _ if own || row.method.as_deref() == Some("notify") => "self",
            Some(_) => "peer_agent",
            None => "canvas_user",
        };
        let asked = row.request_body.as_deref().and_then(|body| serde_json::from_str(body.get()).ok());
        let text = asked.as_ref().and_then(molecule_a2a::reply::request_text);
        let peer = row.source_id.as_deref().filter(|_| source == "peer_agent" && row.peer_name.is_some());
        Self {
            text: text.or_else(|| row.summary.clone()).unwrap_or_default(),
            source,
            peer_name: peer.and(row.peer_name.clone()).unwrap_or_default(),
            peer_role: peer.and(row.peer_role.clone()).unwrap_or_default(),
            // Where a peer's address and card are asked for.
            agent_card_url: peer.map(|id| format!("{base}/registry/discover/{id}")).unwrap_or_default(),
        }
    }
}
