//! What an event says of an activity row (10 §14.3): the same whether it goes out as the row is written or is built
//! from the row when somebody resumes.

use molecule_model::event::{EventKind, Payload};
use molecule_store::{
    Result,
    activity::{self, Activity, NewActivity},
    rusqlite::{Connection, OptionalExtension},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json, value::RawValue};

/// The parts of a row that its events tell; as it stands, `ACTIVITY_LOGGED`. Bodies are left out where there are none
/// (S165). `id` and `error_detail` are additions: a screen puts the row into its list without reading it.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    activity_type: &'a str,
    method: Option<&'a str>,
    summary: Option<&'a str>,
    status: &'a str,
    source_id: Option<&'a str>,
    target_id: Option<&'a str>,
    duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_trace: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_detail: Option<&'a str>,
}

impl<'a> From<&'a NewActivity> for Told<'a> {
    fn from(row: &'a NewActivity) -> Self {
        Self {
            id: &row.id,
            activity_type: row.kind,
            method: row.method.as_deref(),
            summary: row.summary.as_deref(),
            status: row.status,
            source_id: row.source_id.as_deref(),
            target_id: row.target_id.as_deref(),
            duration_ms: row.duration_ms,
            error_detail: row.error_detail.as_deref(),
            request_body: row.request_body.as_deref().map(Body),
            response_body: row.response_body.as_deref().map(Body),
            tool_trace: row.tool_trace.as_deref().map(Body),
        }
    }
}

impl<'a> From<&'a Activity> for Told<'a> {
    fn from(row: &'a Activity) -> Self {
        let text = |raw: &'a Option<Box<RawValue>>| raw.as_deref().map(|raw| Body(raw.get()));
        Self {
            id: &row.id,
            activity_type: &row.activity_type,
            method: row.method.as_deref(),
            summary: row.summary.as_deref(),
            status: &row.status,
            source_id: row.source_id.as_deref(),
            target_id: row.target_id.as_deref(),
            duration_ms: row.duration_ms,
            error_detail: row.error_detail.as_deref(),
            request_body: text(&row.request_body),
            response_body: text(&row.response_body),
            tool_trace: text(&row.tool_trace),
        }
    }
}

/// A body of an event: the row's own text where that is JSON; what is none stands as a string, as in the table.
#[derive(Clone, Copy)]
struct Body<'a>(&'a str);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(json) => json.serialize(serializer),
            Err(_) => serializer.serialize_str(self.0),
        }
    }
}

/// `A2A_RESPONSE`.
#[derive(Serialize)]
struct Response<'a> {
    response_body: Option<Body<'a>>,
    method: Option<&'a str>,
    duration_ms: Option<i64>,
}

impl Told<'_> {
    fn logged(&self) -> Payload {
        Payload::of(self)
    }

    fn response(&self) -> Payload {
        Payload::of(&Response { response_body: self.response_body, method: self.method, duration_ms: self.duration_ms })
    }

    /// `AGENT_MESSAGE`: the row of a notify holds the words as `result` and the files as `parts` (10 §12.5).
    fn message(&self, workspace_id: &str, name: &str) -> Payload {
        let body: Value = self.response_body.and_then(|body| serde_json::from_str(body.0).ok()).unwrap_or_default();
        let files: Vec<Value> =
            body["parts"].as_array().into_iter().flatten().map(|part| part["file"].clone()).collect();
        agent_message(workspace_id, name, &body["result"], files).into()
    }
}

/// The payload of `AGENT_MESSAGE`.
pub fn agent_message(workspace_id: &str, name: &str, message: &Value, attachments: Vec<Value>) -> Value {
    let mut payload = Map::new();
    payload.insert("message".into(), message.clone());
    payload.insert("workspace_id".into(), json!(workspace_id));
    payload.insert("name".into(), json!(name));
    if !attachments.is_empty() {
        payload.insert("attachments".into(), Value::Array(attachments));
    }
    Value::Object(payload)
}

/// The payload of `ACTIVITY_LOGGED` for a row that is being written.
#[must_use]
pub fn logged(row: &NewActivity) -> Payload {
    Told::from(row).logged()
}

/// The payload of `A2A_RESPONSE` for a row that is being written.
#[must_use]
pub fn response(row: &NewActivity) -> Payload {
    Told::from(row).response()
}

/// The payload of an event that mirrors an activity row, built from that row; `None` when it is gone.
///
/// # Errors
/// When the row cannot be read.
pub fn mirror_payload(conn: &Connection, event: &str, seq: i64) -> Result<Option<Payload>> {
    let Some(row) = activity::by_seq(conn, seq)? else { return Ok(None) };
    let told = Told::from(&row);
    let payload = match EventKind::ALL.iter().find(|kind| kind.as_str() == event) {
        Some(EventKind::ActivityLogged) => told.logged(),
        Some(EventKind::A2aResponse) => told.response(),
        Some(EventKind::AgentMessage) => {
            let id = row.workspace_id.to_string();
            let name: Option<String> = conn
                .prepare_cached("SELECT name FROM workspaces WHERE id = ?1")?
                .query_row([&id], |row| row.get(0))
                .optional()?;
            told.message(&id, &name.unwrap_or_default())
        }
        _ => return Ok(None),
    };
    Ok(Some(payload))
}
