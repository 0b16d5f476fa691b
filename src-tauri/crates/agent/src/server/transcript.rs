//! What this agent said and did, line by line, for the platform to show (40 §9).

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Served, shows};

const DEFAULT: usize = 100;
const MOST: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Range {
    since: Option<String>,
    limit: Option<String>,
}

type Refused = (StatusCode, Json<Value>);

/// `GET /transcript?since=&limit=`: lines from number `since` on.
pub(super) async fn show(
    State(served): State<Served>,
    headers: HeaderMap,
    Query(range): Query<Range>,
) -> Result<Json<Value>, Refused> {
    let token = served.agent.platform.credentials.token();
    if !shows(&headers, token.as_ref()) {
        return Err((StatusCode::UNAUTHORIZED, Json(json!({"error": "unauthorized"}))));
    }
    let since = number(range.since.as_deref(), "since", 0)?;
    let limit = number(range.limit.as_deref(), "limit", DEFAULT)?.clamp(1, MOST);
    let lines = served.agent.memory.transcript();
    let total = lines.len();
    let page: Vec<Value> = lines.into_iter().skip(since).take(limit).collect();
    let cursor = since.saturating_add(page.len());
    Ok(Json(json!({
        "runtime": "local", "supported": true, "lines": page, "cursor": cursor, "more": cursor < total, "source": "history",
    })))
}

fn number(text: Option<&str>, name: &str, default: usize) -> Result<usize, Refused> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| {
            (StatusCode::BAD_REQUEST, Json(json!({"error": format!("{name} must be a non-negative integer")})))
        }),
    }
}
