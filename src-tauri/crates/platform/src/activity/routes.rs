//! `GET` and `POST /workspaces/:id/activity`, `GET /activity` (10 §12.2, §12.3, R-31, R-36, R-74, R-79).

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use molecule_model::{WorkspaceId, event::EventKind, preview, wire::DeliveryMode};
use molecule_store::{
    activity::{self, Filter, NewActivity, REPORTABLE, STATUSES, Source},
    outbox::NewEvent,
    workspaces,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use utoipa::ToSchema;

use super::view::ActivityView;
use crate::{App, AppError, AppResult, auth::Caller, http::body};

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 500;
/// 30 days, seconds.
const LONGEST_WINDOW: i64 = 2_592_000;
/// What agents themselves cut to (S166), characters.
const MOST_DETAIL: usize = 4096;
const MOST_SUMMARY: usize = 256;

/// Query parameters; of a repeated one the first counts.
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn limit(&self) -> usize {
        let limit = self.get("limit").and_then(|text| text.parse::<i64>().ok()).filter(|limit| *limit > 0);
        limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(MOST).min(MOST))
    }

    fn base(app: &App) -> String {
        app.config.external_url.clone().unwrap_or_else(|| app.endpoint.url())
    }
}

/// Reads the filters; the cursor is looked up later.
fn filter(app: &App, asked: &Asked) -> AppResult<Filter> {
    let source = match asked.get("source") {
        None => None,
        Some("canvas") => Some(Source::Canvas),
        Some("agent") => Some(Source::Agent),
        Some(_) => return Err(AppError::bad_request("source must be 'canvas' or 'agent'")),
    };
    let since = asked.get("since_secs").map(|text| match text.parse::<i64>() {
        Ok(seconds) if seconds >= 0 => Ok(app.now().plus_seconds(-seconds.min(LONGEST_WINDOW))),
        _ => Err(AppError::bad_request("since_secs must be a whole number of seconds, 0 or more")),
    });
    let before = asked.get("before_ts").map(|text| {
        text.parse().map_err(|_| AppError::bad_request("before_ts must be an RFC 3339 time (encode + as %2B)"))
    });
    let peer = asked
        .get("peer_id")
        .map(|text| WorkspaceId::parse_loose(text).ok_or_else(|| AppError::bad_request("peer_id must be a UUID")));
    Ok(Filter {
        kind: asked.get("type").map(str::to_owned),
        source,
        after_seq: None,
        since: since.transpose()?,
        before: before.transpose()?,
        peer: peer.transpose()?,
        limit: asked.limit(),
        ascending: asked.get("since_id").is_some() || asked.get("since_secs").is_some(),
    })
}

/// The activity of one workspace: newest first, and oldest first after a cursor or a time.
#[utoipa::path(get, path = "/workspaces/{id}/activity", tag = "activity",
    params(("id" = String, Path), ("type" = Option<String>, Query), ("source" = Option<String>, Query),
        ("limit" = Option<i64>, Query), ("since_secs" = Option<i64>, Query), ("since_id" = Option<String>, Query),
        ("before_ts" = Option<String>, Query), ("peer_id" = Option<String>, Query)),
    responses((status = 200, body = Vec<ActivityView>), (status = 400), (status = 410, description = "the cursor is gone")))]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Vec<(String, String)>>,
) -> AppResult<Json<Vec<ActivityView>>> {
    let asked = Asked(asked);
    let mut filter = filter(&app, &asked)?;
    let Some(id) = WorkspaceId::parse_loose(&id) else { return Ok(Json(Vec::new())) };
    let cursor = asked.get("since_id").map(str::to_owned);
    // what a poll agent without a cursor gets first.
    let open =
        ["since_id", "since_secs", "before_ts", "peer_id", "source"].iter().all(|name| asked.get(name).is_none());
    let first_fetch = open && caller == Caller::Workspace(id) && filter.kind.as_deref() == Some("a2a_receive");
    let found = app
        .store
        .read(move |conn| {
            if let Some(cursor) = cursor {
                let Some(seq) = activity::seq_of(conn, id, &cursor)? else { return Ok(None) };
                filter.after_seq = Some(seq);
            }
            let mut rows = activity::list(conn, id, &filter)?;
            if first_fetch && workspaces::get(conn, id)?.is_some_and(|row| row.delivery_mode == DeliveryMode::Poll) {
                rows.reverse();
            }
            Ok(Some(rows))
        })
        .await
        .map_err(|error| AppError::internal("query failed", &error))?;
    let rows = found.ok_or_else(|| AppError::new(StatusCode::GONE, "since_id cursor not found"))?;
    let base = Asked::base(&app);
    Ok(Json(rows.into_iter().map(|row| ActivityView::new(row, &base)).collect()))
}

/// The newest activity of all workspaces, before `before_seq` where given.
#[utoipa::path(get, path = "/activity", tag = "activity",
    params(("limit" = Option<i64>, Query), ("before_seq" = Option<i64>, Query)),
    responses((status = 200, body = Vec<ActivityView>), (status = 400)))]
pub(super) async fn newest(
    State(app): State<App>,
    Query(asked): Query<Vec<(String, String)>>,
) -> AppResult<Json<Vec<ActivityView>>> {
    let asked = Asked(asked);
    let before = asked.get("before_seq").map(str::parse::<i64>).transpose();
    let before = before.map_err(|_| AppError::bad_request("before_seq must be a whole number"))?;
    let limit = asked.limit();
    let rows = app.store.read(move |conn| activity::newest(conn, before, limit)).await;
    let rows = rows.map_err(|error| AppError::internal("query failed", &error))?;
    let base = Asked::base(&app);
    Ok(Json(rows.into_iter().map(|row| ActivityView::numbered(row, &base)).collect()))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Report {
    #[serde(default)]
    activity_type: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    source_id: Option<String>,
    #[serde(default)]
    target_id: Option<String>,
    #[serde(default)]
    error_detail: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    duration_ms: Option<i64>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    request_body: Option<Box<RawValue>>,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    response_body: Option<Box<RawValue>>,
    /// Stands for `request_body` where that is absent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Box<RawValue>>,
}

/// An agent reports what it did.
#[utoipa::path(post, path = "/workspaces/{id}/activity", tag = "activity", params(("id" = String, Path)),
    request_body = Report, responses((status = 200), (status = 400), (status = 403)))]
pub(super) async fn report(
    State(app): State<App>,
    Path(id): Path<String>,
    body: body::Bytes,
) -> AppResult<Json<Value>> {
    let given: Report = body.json("invalid request body")?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let kind = some(given.activity_type).ok_or_else(|| AppError::bad_request("ActivityType is required"))?;
    let kind = REPORTABLE.into_iter().find(|known| *known == kind).ok_or_else(|| {
        AppError::bad_request(format!("invalid activity_type, must be one of: {}", REPORTABLE.join(", ")))
    })?;
    if let Some(claimed) = some(given.source_id).filter(|claimed| *claimed != id) {
        tracing::warn!(workspace_id = %id, claimed = ?preview::preview(&claimed, 80), "an activity report names another source");
        return Err(AppError::forbidden("source_id must match authenticated workspace"));
    }
    // A row that cannot be written is no reason to fail an agent's report (10 §12.2).
    let Some(workspace) = WorkspaceId::parse_loose(&id) else { return Ok(logged()) };
    let status = some(given.status).and_then(|status| STATUSES.into_iter().find(|known| *known == status));
    let json = |raw: Option<Box<RawValue>>| raw.map(|raw| String::from(Box::<str>::from(raw)));
    let row = NewActivity {
        source_id: Some(workspace.to_string()),
        target_id: some(given.target_id),
        method: some(given.method),
        summary: some(given.summary).map(|text| cut(&text, MOST_SUMMARY)),
        request_body: json(given.request_body.or(given.metadata)),
        response_body: json(given.response_body),
        duration_ms: given.duration_ms,
        status: status.unwrap_or("ok"),
        error_detail: some(given.error_detail).map(|text| cut(&text, MOST_DETAIL)),
        ..NewActivity::new(workspace, kind)
    };
    let payload = super::logged(&row);
    let written = app
        .store
        .write(move |tx| {
            let seq = activity::insert(tx, &row)?;
            tx.emit(NewEvent::mirror(EventKind::ActivityLogged, workspace, payload.clone(), seq)).map(drop)
        })
        .await;
    if let Err(error) = written {
        tracing::warn!(workspace_id = %workspace, %error, "a reported activity was not written");
    }
    Ok(logged())
}

fn logged() -> Json<Value> {
    Json(json!({"status": "logged"}))
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
