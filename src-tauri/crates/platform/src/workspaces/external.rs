//! How an agent of the person's own connects (20 §1.2): the address, the token, and snippets that run as they are.

use axum::{
    Json,
    extract::{Path, State},
};
use molecule_model::{Status, WorkspaceId, runtime};
use molecule_store::workspaces;
use serde::Serialize;

use crate::{App, AppError, AppResult, Platform};

/// What the create answer of an external workspace carries. The token stands in it once and in no snippet:
/// the canvas fills it in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Connection {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Our address, without a trailing slash.
    pub platform_url: String,
    /// The token, shown only here; `""` if there is none.
    pub auth_token: String,
    /// Where to register.
    pub registry_endpoint: String,
    /// Where to beat.
    pub heartbeat_endpoint: String,
    /// Registers once, with curl.
    pub curl_register_template: String,
    /// A whole agent on the Python SDK.
    pub python_snippet: String,
    /// Claude Code as the agent.
    pub claude_code_channel_snippet: String,
    /// The workspace's tools in any MCP client.
    pub universal_mcp_snippet: String,
    /// A whole agent on `a2a-sdk`: this edition's addition.
    pub a2a_sdk_snippet: String,
}

/// The address in snippets: `EXTERNAL_PLATFORM_URL`, else our own.
#[must_use]
pub fn platform_url(platform: &Platform) -> String {
    platform.config.external_url.clone().unwrap_or_else(|| platform.endpoint.url())
}

/// How an agent connects to a workspace that is there already. Its `auth_token` is `""`: a fresh one is made by
/// `POST /workspaces/:id/tokens`.
#[utoipa::path(get, path = "/workspaces/{id}/connection", tag = "workspaces", params(("id" = String, Path)),
    responses((status = 200, body = Connection), (status = 404), (status = 409)))]
pub(super) async fn shown(State(app): State<App>, Path(id): Path<String>) -> AppResult<Json<Connection>> {
    let missing = || AppError::not_found("workspace not found");
    let id = WorkspaceId::parse_loose(&id).ok_or_else(missing)?;
    let row = app.store.read(move |conn| workspaces::get(conn, id)).await?;
    let row = row.filter(|row| row.status != Status::Removed).ok_or_else(missing)?;
    if row.runtime != runtime::EXTERNAL {
        return Err(AppError::conflict("Molecule starts this agent itself; only an external one is connected by hand"));
    }
    Ok(Json(connection(&platform_url(&app), id, &row.name, "")))
}

/// The connection of a workspace.
#[must_use]
pub fn connection(url: &str, id: WorkspaceId, name: &str, token: &str) -> Connection {
    let fill = |snippet: &str| {
        snippet
            .replace("{{platform_url}}", url)
            .replace("{{workspace_id}}", &id.to_string())
            .replace("{{agent_name}}", &harmless(name))
    };
    Connection {
        workspace_id: id,
        platform_url: url.to_owned(),
        auth_token: token.to_owned(),
        registry_endpoint: format!("{url}/registry/register"),
        heartbeat_endpoint: format!("{url}/registry/heartbeat"),
        curl_register_template: fill(include_str!("snippets/curl.sh")),
        python_snippet: fill(include_str!("snippets/python.py")),
        claude_code_channel_snippet: fill(include_str!("snippets/channel.sh")),
        universal_mcp_snippet: fill(include_str!("snippets/mcp.sh")),
        a2a_sdk_snippet: fill(include_str!("snippets/a2a_sdk.py")),
    }
}

/// A name that means nothing to a shell, to Python or to JSON.
fn harmless(name: &str) -> String {
    let kept: String = name.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.')).collect();
    let kept = kept.trim();
    if kept.is_empty() { "My agent".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use molecule_model::WorkspaceId;

    use super::connection;

    #[test]
    fn s197_placeholders_stand_once_and_the_rest_is_filled_in() {
        let id = WorkspaceId::random();
        let made = connection("http://127.0.0.1:8080", id, "Eve\"; $(rm -rf /) `x` {{platform_url}}", "tok-en");
        let snippets = [
            (&made.curl_register_template, "WORKSPACE_AUTH_TOKEN=\"<paste from create response>\""),
            (&made.python_snippet, "AUTH_TOKEN    = \"<paste from create response>\""),
            (&made.claude_code_channel_snippet, "MOLECULE_WORKSPACE_TOKENS=<paste auth_token from create response>"),
            (&made.universal_mcp_snippet, "MOLECULE_WORKSPACE_TOKEN=\"<paste from create response>\""),
            (&made.a2a_sdk_snippet, "AUTH_TOKEN = \"<paste from create response>\""),
        ];
        for (snippet, placeholder) in snippets {
            assert_eq!(snippet.matches(placeholder).count(), 1, "{snippet}");
            assert_eq!(snippet.matches("<paste").count(), 1, "{snippet}");
            assert!(!snippet.contains("{{") && !snippet.contains("tok-en"), "{snippet}");
            assert!(snippet.contains(&id.to_string()) && snippet.contains("http://127.0.0.1:8080"));
            assert!(!snippet.contains("$(rm") && !snippet.contains('`'), "{snippet}");
        }
        assert!(made.curl_register_template.contains("-H \"Origin: http://127.0.0.1:8080\""));
        assert!(made.curl_register_template.contains("Authorization: Bearer $WORKSPACE_AUTH_TOKEN"));
    }
}
