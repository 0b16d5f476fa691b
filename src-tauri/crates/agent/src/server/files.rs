//! Chat files: taking them in and handing them out, for the platform only (40 §9, 10 §13).

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cap_std::fs::File;
use futures_util::StreamExt;
use molecule_model::chat_file;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Served, shows};
use crate::agent::Agent;
use crate::files::{Refused as NotOpened, Uploads};

/// Bytes of one request, with room for what stands between its parts.
pub(super) const REQUEST_LIMIT: usize = 51 * 1024 * 1024;
const TOO_MUCH: &str = "the files are larger than 50 MiB together";

type Refused = (StatusCode, Json<Value>);

fn refuse(status: StatusCode, text: impl Into<String>) -> Refused {
    (status, Json(json!({ "error": text.into() })))
}

fn admitted(agent: &Agent, headers: &HeaderMap) -> Result<(), Refused> {
    let secret = agent.platform.credentials.inbound_secret();
    if shows(headers, secret.as_ref()) { Ok(()) } else { Err(refuse(StatusCode::UNAUTHORIZED, "unauthorized")) }
}

/// Stores the files of a request as they come, in its order.
///
/// A refused request is read to its end all the same: whoever is still writing would otherwise find the connection
/// broken where the refusal should be.
pub(super) async fn ingest(State(served): State<Served>, request: Request) -> Result<Json<Value>, Refused> {
    if let Err(refused) = admitted(&served.agent, request.headers()) {
        let (mut body, mut left) = (request.into_body().into_data_stream(), REQUEST_LIMIT);
        while let Some(Ok(piece)) = body.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                break;
            }
        }
        return Err(refused);
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| refuse(StatusCode::BAD_REQUEST, "the upload is not a well-formed form"))?;
    let stored = store(&served.agent, &mut form).await;
    if stored.is_err() {
        while let Ok(Some(_)) = form.next_field().await {}
    }
    Ok(Json(json!({ "files": stored? })))
}

/// A file that is refused leaves nothing behind.
async fn store(agent: &Agent, form: &mut Multipart) -> Result<Vec<Value>, Refused> {
    let unstored = |_: std::io::Error| refuse(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be stored");
    let uploads = agent.uploads();
    let uploads =
        uploads.ok_or_else(|| refuse(StatusCode::SERVICE_UNAVAILABLE, "this agent has no place for files"))?;
    let (mut files, mut all) = (Vec::new(), 0_u64);
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("files") {
            continue;
        }
        if files.len() == chat_file::MOST_FILES {
            let text = format!("at most {} files at once", chat_file::MOST_FILES);
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        let mut arriving = uploads.begin(field.file_name().unwrap_or_default()).map_err(unstored)?;
        let mime = field.content_type().map(str::to_owned);
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            all += chunk.len() as u64;
            if all > chat_file::REQUEST_LIMIT {
                return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, TOO_MUCH));
            }
            if !arriving.push(&chunk).map_err(unstored)? {
                return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, chat_file::too_large(arriving.name())));
            }
        }
        let stored = arriving.keep();
        let mut entry = json!({"uri": stored.uri, "name": stored.name, "size": stored.size});
        if let Some(mime) = mime.or(stored.mime_type) {
            entry["mimeType"] = json!(mime);
        }
        files.push(entry);
    }
    if files.is_empty() { Err(refuse(StatusCode::BAD_REQUEST, chat_file::NO_FILES)) } else { Ok(files) }
}

fn broken(error: MultipartError) -> Refused {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => refuse(StatusCode::PAYLOAD_TOO_LARGE, TOO_MUCH),
        _ => refuse(StatusCode::BAD_REQUEST, "the upload is not a well-formed form"),
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
    chat_file::check_path(&wanted.path).map_err(|text| refuse(StatusCode::BAD_REQUEST, text))?;
    let missing = || refuse(StatusCode::NOT_FOUND, "file not found");
    let file = open(&served.agent, &wanted.path).ok_or_else(missing)?.map_err(|_| missing())?;
    let length = file.metadata().map_err(|_| missing())?.len();
    let name = wanted.path.rsplit('/').next().unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, mime_guess::from_path(name).first_or_octet_stream().to_string()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, chat_file::disposition(name)),
    ];
    let file = tokio::fs::File::from_std(file.into_std());
    Ok((headers, Body::from_stream(tokio_util::io::ReaderStream::new(file))).into_response())
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
