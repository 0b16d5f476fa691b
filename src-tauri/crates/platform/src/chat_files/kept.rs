//! Files that are kept here because nobody can be forwarded to: the workspace's folder stands for the
//! agent's `/workspace`.
//!
//! Every access goes through a handle of that folder and names one file by the name we gave it, so that no path leads
//! anywhere else.

use std::{io, path::Path};

use axum::{
    Json,
    body::Body,
    extract::multipart::{Multipart, MultipartError},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};
use molecule_model::{WorkspaceId, chat_file};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

use super::{Op, forward::POLICY};
use crate::{App, AppError, AppResult};

/// Below the workspace's folder: what agents know as `/workspace/.molecule/chat-uploads`.
const BELOW: &str = "workspace/.molecule/chat-uploads";

/// A file that was stored, as messages speak of it (10 §13.1).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    /// `workspace:/workspace/.molecule/chat-uploads/<stored>`.
    uri: String,
    /// The name as it was made safe.
    name: String,
    /// Its media type, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    /// Bytes.
    size: u64,
}

/// What an upload answers, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Uploaded {
    files: Vec<Stored>,
}

/// Stores the files of a request. Where one is refused, none is kept.
///
/// # Errors
/// 400 for what is no form with files, 413 for what is too large, 507 where the disk is full.
pub(super) async fn take_in(app: &App, id: WorkspaceId, form: &mut Multipart) -> AppResult<Response> {
    let folder = app.paths.workspace(id);
    let opened = tokio::task::spawn_blocking(move || make(&folder)).await;
    let folder = opened.map_err(io::Error::other).flatten().map_err(|error| unstored(id, &error))?;
    let mut files = Vec::new();
    let taken = store(id, &folder, form, &mut files).await;
    if let Err(refused) = taken {
        for file in files {
            drop(
                chat_file::stored_name_of(file.uri.trim_start_matches("workspace:"))
                    .map(|name| folder.remove_file(name)),
            );
        }
        return Err(refused);
    }
    if files.is_empty() {
        return Err(AppError::bad_request(chat_file::NO_FILES));
    }
    Ok(Json(Uploaded { files }).into_response())
}

async fn store(id: WorkspaceId, folder: &Dir, form: &mut Multipart, files: &mut Vec<Stored>) -> AppResult<()> {
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some("files") {
            continue;
        }
        if files.len() == chat_file::MOST_FILES {
            return Err(too_large(format!("at most {} files at once", chat_file::MOST_FILES)));
        }
        let name = chat_file::safe_name(field.file_name().unwrap_or_default());
        let own = field.content_type().filter(|kind| !kind.is_empty()).map(str::to_owned);
        let mime_type = own.or_else(|| mime_guess::from_path(&name).first().map(|mime| mime.to_string()));
        let arriving = Arriving::begin(folder, &name).map_err(|error| unstored(id, &error))?;
        let mut file = tokio::fs::File::from_std(arriving.file().map_err(|error| unstored(id, &error))?);
        let mut size = 0;
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            size += piece.len() as u64;
            if size > chat_file::FILE_LIMIT {
                return Err(too_large(chat_file::too_large(&name)));
            }
            file.write_all(&piece).await.map_err(|error| unstored(id, &error))?;
        }
        // On disk before it is answered.
        file.sync_all().await.map_err(|error| unstored(id, &error))?;
        files.push(Stored { uri: chat_file::uri_of(&arriving.keep()), name, mime_type, size });
    }
    Ok(())
}

/// A file being written; gone again when dropped before it was kept.
struct Arriving<'a> {
    folder: &'a Dir,
    stored: Option<String>,
}

impl<'a> Arriving<'a> {
    fn begin(folder: &'a Dir, name: &str) -> io::Result<Self> {
        let stored = format!("{}-{name}", molecule_model::id::fresh().replace('-', ""));
        folder.open_with(&stored, OpenOptions::new().write(true).create_new(true))?;
        Ok(Self { folder, stored: Some(stored) })
    }

    fn file(&self) -> io::Result<std::fs::File> {
        let stored = self.stored.as_deref().unwrap_or_default();
        self.folder.open_with(stored, OpenOptions::new().write(true)).map(cap_std::fs::File::into_std)
    }

    fn keep(mut self) -> String {
        self.stored.take().unwrap_or_default()
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if let Some(stored) = &self.stored {
            drop(self.folder.remove_file(stored));
        }
    }
}

/// The file of that name, if one is kept here; a link is none (S181).
pub(super) async fn find(app: &App, id: WorkspaceId, path: &str) -> Option<Found> {
    let stored = chat_file::stored_name_of(path)?.to_owned();
    let folder = app.paths.workspace(id);
    let found = tokio::task::spawn_blocking(move || open(&folder, &stored)).await;
    match found.map_err(io::Error::other).flatten() {
        Ok(found) => Some(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(workspace_id = %id, kind = ?error.kind(), "chat_files {}: a kept file is not read", Op::Download);
            None
        }
    }
}

/// A kept file, open.
pub(super) struct Found {
    file: std::fs::File,
    name: String,
    length: u64,
}

impl IntoResponse for Found {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, mime_guess::from_path(&self.name).first_or_octet_stream().to_string()),
            (header::CONTENT_LENGTH, self.length.to_string()),
            (header::CONTENT_DISPOSITION, chat_file::disposition(&self.name)),
        ];
        let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(self.file)));
        let mut response = (headers, body).into_response();
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }
}

fn open(folder: &Path, stored: &str) -> io::Result<Found> {
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?.open_dir(BELOW)?;
    if !folder.symlink_metadata(stored)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = folder.open(stored)?;
    let length = file.metadata()?.len();
    // What agents and the person see as its name: without the 32 digits and the dash before it.
    let name = stored.get(33..).unwrap_or(stored).to_owned();
    Ok(Found { file: file.into_std(), name, length })
}

fn make(folder: &Path) -> io::Result<Dir> {
    std::fs::create_dir_all(folder)?;
    let folder = Dir::open_ambient_dir(folder, ambient_authority())?;
    folder.create_dir_all(BELOW)?;
    folder.open_dir(BELOW)
}

fn broken(error: MultipartError) -> AppError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large("the upload is larger than 50 MiB"),
        _ => AppError::bad_request("the upload is not a well-formed form"),
    }
}

fn too_large(text: impl Into<String>) -> AppError {
    AppError::new(StatusCode::PAYLOAD_TOO_LARGE, text).code("upload_too_large")
}

fn unstored(id: WorkspaceId, error: &io::Error) -> AppError {
    if error.kind() == io::ErrorKind::StorageFull {
        return molecule_store::Error::Full.into();
    }
    tracing::error!(workspace_id = %id, %error, "chat_files {}: a file was not stored", Op::Upload);
    AppError::new(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be stored")
}
