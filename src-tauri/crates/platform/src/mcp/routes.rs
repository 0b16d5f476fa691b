//! `POST /workspaces/:id/mcp` and `GET /workspaces/:id/mcp/stream`.

use axum::{
    Extension,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use molecule_model::WorkspaceId;

use super::{rpc, stream};
use crate::{App, AppError, auth::Capability, http::body};

/// What was shown as a capability, where the request came by such a base URL.
type ByUrl = Option<Extension<Capability>>;

/// Answers one JSON-RPC request of an MCP client; errors stand inside the answer.
#[utoipa::path(post, path = "/workspaces/{id}/mcp", tag = "mcp", params(("id" = String, Path)), request_body = rpc::Request,
    responses((status = 200, description = "the JSON-RPC answer"), (status = 400, description = "no JSON-RPC request"),
        (status = 401), (status = 413), (status = 429)))]
pub(super) async fn call(
    State(app): State<App>,
    Path(id): Path<String>,
    by_url: ByUrl,
    headers: HeaderMap,
    body: Result<body::Bytes, AppError>,
) -> Response {
    limited(&app, &headers, by_url.as_deref(), async {
        match body {
            Ok(body) => rpc::answer(&app, &id, &body.0).await,
            Err(refused) => refused.into_response(),
        }
    })
    .await
}

/// Says where an MCP client posts to, and stays open.
#[utoipa::path(get, path = "/workspaces/{id}/mcp/stream", tag = "mcp", params(("id" = String, Path)),
    responses((status = 200, description = "an `endpoint` event, then pings", content_type = "text/event-stream"),
        (status = 401), (status = 404), (status = 429)))]
pub(super) async fn stream(
    State(app): State<App>,
    Path(id): Path<String>,
    by_url: ByUrl,
    headers: HeaderMap,
) -> Response {
    limited(&app, &headers, by_url.as_deref(), async {
        match WorkspaceId::parse_loose(&id) {
            Some(id) => stream::open(id, by_url.as_deref(), app.tasks.stopping()),
            None => AppError::not_found("workspace not found").into_response(),
        }
    })
    .await
}

/// Every answer carries the figures of this limiter, not those of the global one (10 §1.3).
async fn limited(
    app: &App,
    headers: &HeaderMap,
    by_url: Option<&Capability>,
    work: impl Future<Output = Response>,
) -> Response {
    let (allowance, mut response) = match app.mcp.take(headers, by_url, app.now()) {
        Ok(allowance) => (Some(allowance), work.await),
        Err((allowance, refused)) => (allowance, refused.into_response()),
    };
    if let Some(allowance) = allowance {
        allowance.apply(response.headers_mut());
    }
    response
}
