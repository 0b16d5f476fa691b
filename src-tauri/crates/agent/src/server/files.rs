//! Chat files: taking them in and handing them out, for the platform only (40 §9, 10 §13).

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cap_std::fs::File;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Served, shows};
use crate::agent::Agent;
use crate::files::{Refused as NotOpened, UPLOAD_LIMIT, Uploads};

/// Bytes of one request, with room for what stands between its parts.
pub(super) const REQUEST_LIMIT: usize = 51 * 1024 * 1024;
const ALL_LIMIT: u64 = 50 * 1024 * 1024;

type Refused = (StatusCode, Json<Value>);

fn refuse(status: StatusCode, text: impl Into<String>) -> Refused {
    (status, Json(json!({ "error": text.into() })))
}

fn admitted(agent: &Agent, headers: &HeaderMap) -> Result<(), Refused> {
    let secret = agent.platform.credentials.inbound_secret();
    if shows(headers, secret.as_ref()) { Ok(()) } else { Err(refuse(StatusCode::UNAUTHORIZED, "unauthorized")) }
}

/// Stores the files of a request as they come, in its order. A file that is refused leaves nothing behind.
pub(super) async fn ingest(
    State(served): State<Served>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Value>, Refused> {
    admitted(&served.agent, &headers)?;
    let broken = || refuse(StatusCode::BAD_REQUEST, "the upload is not a well-formed form");
    let mut form = form.map_err(|_| broken())?;
    let unstored = |_: std::io::Error| refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be stored");
    let uploads = served.agent.uploads();
    let uploads =
        uploads.ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "this agent has no place for files"))?;
    let (mut files, mut all) = (Vec::new(), 0_u64);
    while let Some(mut field) = form.next_field().await.map_err(|_| broken())? {
        if field.name() != Some("files") {
            continue;
        }
        let mut arriving = uploads.begin(field.file_name().unwrap_or_default()).map_err(unstored)?;
        let mime = field.content_type().map(str::to_owned);
        let mut size = 0_u64;
        while let Some(chunk) = field.chunk().await.map_err(|_| broken())? {
            size += chunk.len() as u64;
            all += chunk.len() as u64;
            if size > UPLOAD_LIMIT {
                return Err(refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("{} is larger than 25 MiB", arriving.name()),
                ));
            }
            if all > ALL_LIMIT {
                return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the files are larger than 50 MiB together"));
            }
            arriving.push(&chunk).map_err(unstored)?;
        }
        let stored = arriving.keep();
        let mut entry = json!({"uri": stored.uri, "name": stored.name, "size": size});
        if let Some(mime) = mime.or(stored.mime_type) {
            entry["mimeType"] = json!(mime);
        }
        files.push(entry);
    }
    if files.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "expected at least one 'files' field"));
    }
    Ok(Json(json!({ "files": files })))
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    path: String,
}

/// Hands a file out.
pub(super) async fn read(
    State(served): State<Served>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Refused> {
    admitted(&served.agent, &headers)?;
    check(&wanted.path).map_err(|text| refuse(StatusCode::BAD_REQUEST, text))?;
    let missing = || refuse(StatusCode::NOT_FOUND, "file not found");
    let file = open(&served.agent, &wanted.path).ok_or_else(missing)?.map_err(|_| missing())?;
    let length = file.metadata().map_err(|_| missing())?.len();
    let name = wanted.path.rsplit('/').next().unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, mime_guess::from_path(name).first_or_octet_stream().to_string()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, disposition(name)),
    ];
    let file = tokio::fs::File::from_std(file.into_std());
    Ok((headers, Body::from_stream(tokio_util::io::ReaderStream::new(file))).into_response())
}

/// 10 §13.2, in its order.
fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("path query required");
    }
    if !path.starts_with('/') {
        return Err("path must be absolute");
    }
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !["/configs", "/workspace", "/home", "/plugins"].into_iter().any(below) {
        return Err("path must be under /configs, /workspace, /home, or /plugins");
    }
    if path.contains("..") || path.split('/').skip(1).any(|name| name.is_empty() || name == ".") {
        return Err("invalid path");
    }
    Ok(())
}

/// Opens what a path names; `None`: nothing of ours lies there. Links are not followed at the path, and
/// nowhere out of the folder.
fn open(agent: &Agent, path: &str) -> Option<Result<File, NotOpened>> {
    if let Some(stored) = Uploads::named(path) {
        return Some(agent.uploads()?.open(stored));
    }
    let (folder, rest) = match (path.strip_prefix("/workspace/"), path.strip_prefix("/configs/")) {
        (Some(rest), _) => (agent.folder.as_ref()?, rest),
        (_, Some(rest)) => (agent.configs.as_ref()?, rest),
        _ => return None,
    };
    if folder.handle().symlink_metadata(rest).ok()?.is_symlink() {
        return None;
    }
    Some(folder.open_file(rest).map(|(file, _)| file))
}

/// 10 §13.2: quotes and backslashes escaped, control characters dropped, and the name in UTF-8 beside it.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_ascii() => vec![c],
            _ => vec!['_'],
        })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::{check, disposition};

    #[test]
    fn dispositions_are_escaped() {
        assert_eq!(disposition("a\"b\n.md"), "attachment; filename=\"a\\\"b.md\"; filename*=UTF-8''a%22b%0A.md");
    }

    #[test]
    fn paths_are_checked_in_the_order_of_the_contract() {
        let table = [
            ("", Err("path query required")),
            ("workspace/a", Err("path must be absolute")),
            ("/etc/passwd", Err("path must be under /configs, /workspace, /home, or /plugins")),
            ("/workspaces/a", Err("path must be under /configs, /workspace, /home, or /plugins")),
            ("/workspace/../etc", Err("invalid path")),
            ("/workspace//a", Err("invalid path")),
            ("/workspace/./a", Err("invalid path")),
            ("/workspace/a/", Err("invalid path")),
            ("/workspace/a..b", Err("invalid path")),
            ("/workspace/a", Ok(())),
            ("/configs/x/y.md", Ok(())),
        ];
        for (path, want) in table {
            assert_eq!(check(path), want, "{path}");
        }
    }
}
