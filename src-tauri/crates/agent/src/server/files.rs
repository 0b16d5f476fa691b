//! Chat files: taking them in and handing them out, for the platform only (40 §9).

use std::path::{Path, PathBuf};

use axum::Json;
use axum::body::Body;
use axum::extract::{Multipart, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use molecule_model::preview::cut_bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Served, shows};
use crate::agent::Agent;

/// Bytes of one request, with room for what stands between its parts.
pub(super) const REQUEST_LIMIT: usize = 51 * 1024 * 1024;
const ALL_LIMIT: usize = 50 * 1024 * 1024;
const FILE_LIMIT: usize = 25 * 1024 * 1024;
/// Below the workspace's root.
const UPLOADS: &str = ".molecule/chat-uploads";

type Refused = (StatusCode, Json<Value>);

fn refuse(status: StatusCode, text: impl Into<String>) -> Refused {
    (status, Json(json!({ "error": text.into() })))
}

fn admitted(agent: &Agent, headers: &HeaderMap) -> Result<(), Refused> {
    let secret = agent.platform.credentials.inbound_secret();
    if shows(headers, secret.as_ref()) { Ok(()) } else { Err(refuse(StatusCode::UNAUTHORIZED, "unauthorized")) }
}

/// Stores the files of a request, in its order.
pub(super) async fn ingest(
    State(served): State<Served>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Result<Json<Value>, Refused> {
    admitted(&served.agent, &headers)?;
    let root = served.agent.folder.as_ref().map(|folder| folder.root().join(UPLOADS));
    let root = root.ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "this agent has no folder for files"))?;
    let broken = |_| refuse(StatusCode::BAD_REQUEST, "the upload is not a well-formed form");
    let (mut stored, mut all) = (Vec::new(), 0);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("files") {
            continue;
        }
        let name = sanitise(field.file_name().unwrap_or_default());
        let mime = field.content_type().map(str::to_owned);
        let bytes = field.bytes().await.map_err(broken)?;
        all += bytes.len();
        if bytes.len() > FILE_LIMIT {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("{name} is larger than 25 MiB")));
        }
        if all > ALL_LIMIT {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the files are larger than 50 MiB together"));
        }
        let file = format!("{}-{name}", uuid::Uuid::new_v4().simple());
        let written = std::fs::create_dir_all(&root).and_then(|()| std::fs::write(root.join(&file), &bytes));
        written.map_err(|_| refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be stored"))?;
        let mime = mime.or_else(|| mime_guess::from_path(&name).first().map(|mime| mime.to_string()));
        let mut entry =
            json!({"uri": format!("workspace:/workspace/{UPLOADS}/{file}"), "name": name, "size": bytes.len()});
        if let Some(mime) = mime {
            entry["mimeType"] = json!(mime);
        }
        stored.push(entry);
    }
    if stored.is_empty() {
        return Err(refuse(StatusCode::BAD_REQUEST, "expected at least one 'files' field"));
    }
    Ok(Json(json!({ "files": stored })))
}

/// A name that is safe as a file's: 10 §13.1.
fn sanitise(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        base.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    if clean.is_empty() || clean == "." || clean == ".." {
        return "file".to_owned();
    }
    if clean.len() <= 100 {
        return clean;
    }
    match clean.rsplit_once('.').filter(|(_, extension)| extension.len() < 16) {
        Some((stem, extension)) => format!("{}.{extension}", cut_bytes(stem, 99 - extension.len())),
        None => cut_bytes(&clean, 100).to_owned(),
    }
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
    let (folder, rest) = locate(&served.agent, &wanted.path).map_err(|text| refuse(StatusCode::BAD_REQUEST, text))?;
    let missing = || refuse(StatusCode::NOT_FOUND, "file not found");
    let path = folder.ok_or_else(missing)?.join(rest);
    // A link at the path is not followed.
    let about = std::fs::symlink_metadata(&path).map_err(|_| missing())?;
    let inside = path
        .canonicalize()
        .is_ok_and(|real| real.parent() == path.parent().and_then(|p| p.canonicalize().ok()).as_deref());
    if !about.is_file() || !inside {
        return Err(missing());
    }
    let file = tokio::fs::File::open(&path).await.map_err(|_| missing())?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, mime_guess::from_path(&path).first_or_octet_stream().to_string()),
        (header::CONTENT_LENGTH, about.len().to_string()),
        (header::CONTENT_DISPOSITION, disposition(&name)),
    ];
    Ok((headers, Body::from_stream(tokio_util::io::ReaderStream::new(file))).into_response())
}

/// The folder behind a path as agents name it, and the rest; `None`: nothing of ours lies there.
fn locate<'a>(agent: &Agent, path: &'a str) -> Result<(Option<PathBuf>, &'a Path), &'static str> {
    if path.is_empty() {
        return Err("path query required");
    }
    if !path.starts_with('/') {
        return Err("path must be absolute");
    }
    if path.contains("..") || path.contains("//") || path.ends_with('/') || path.contains("/./") {
        return Err("invalid path");
    }
    let below = |root: &str| path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')).map(Path::new);
    if let Some(rest) = below("/workspace") {
        return Ok((agent.folder.as_ref().map(|folder| folder.root().to_owned()), rest));
    }
    if let Some(rest) = below("/configs") {
        // Credentials are nobody's to read, not even through the platform.
        let hidden = rest.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
        return Ok(((!hidden).then(|| agent.config.config_dir.clone()), rest));
    }
    if below("/home").is_some() || below("/plugins").is_some() {
        return Ok((None, Path::new("")));
    }
    Err("path must be under /configs, /workspace, /home, or /plugins")
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
    use super::{disposition, sanitise};

    #[test]
    fn names_are_made_safe() {
        for (given, want) in [
            ("a b.md", "a_b.md"),
            ("../../etc/passwd", "passwd"),
            ("", "file"),
            ("..", "file"),
            ("ä.txt", "_.txt"),
            ("C:\\x\\y.z", "y.z"),
        ] {
            assert_eq!(sanitise(given), want, "{given}");
        }
        let long = sanitise(&format!("{}.jpeg", "x".repeat(300)));
        assert_eq!(long.len(), 100);
        assert!(long.ends_with(".jpeg"));
    }

    #[test]
    fn dispositions_are_escaped() {
        assert_eq!(disposition("a\"b\n.md"), "attachment; filename=\"a\\\"b.md\"; filename*=UTF-8''a%22b%0A.md");
    }
}
