//! The HTTP face of chat files.

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State},
    http::{Response, StatusCode},
    response::IntoResponse,
};
use hyper::body::Body as _;
use molecule_model::{WorkspaceId, chat_file};
use serde::Deserialize;

use super::{
    Op, forward, kept,
    passing::Passing,
    place::{self, Place},
};
use crate::{App, AppError, AppResult};

/// Takes files in: hands them to the agent, or keeps them for one that has no address.
///
/// A form with one or more parts named `files`; 25 MiB a file, 50 MiB a request.
#[utoipa::path(post, path = "/workspaces/{id}/chat/uploads", tag = "chat files", params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "multipart/form-data"),
    responses((status = 200, body = kept::Uploaded), (status = 400), (status = 404), (status = 413), (status = 502),
        (status = 503), (status = 507)))]
pub(super) async fn upload(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> AppResult<Response<Body>> {
    let id = place::workspace(&id)?;
    match place::of(&app, &place::row(&app, id).await?, Op::Upload).await? {
        Place::Agent(agent) => {
            let (parts, body) = request.into_parts();
            forward::upload(&app, &agent, &parts.headers, body).await
        }
        Place::Here => keep(&app, id, request).await,
    }
}

async fn keep(app: &App, id: WorkspaceId, request: Request) -> AppResult<Response<Body>> {
    let too_large =
        || AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "the upload is larger than 50 MiB").code("upload_too_large");
    let (parts, body) = request.into_parts();
    if body.size_hint().exact().is_some_and(|length| length > chat_file::REQUEST_LIMIT) {
        return Err(too_large());
    }
    let (passing, watch) = Passing::new(body, chat_file::REQUEST_LIMIT);
    let mut request = Request::from_parts(parts, Body::new(passing));
    DefaultBodyLimit::disable().apply(&mut request);
    let taken = match Multipart::from_request(request, &()).await {
        Ok(mut form) => kept::take_in(app, id, &mut form).await,
        Err(_) => Err(AppError::bad_request("the upload is not a well-formed form")),
    };
    if watch.too_long() { Err(too_large()) } else { taken }
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    path: String,
}

/// Hands a file out that the agent keeps, or that is kept here for it.
#[utoipa::path(get, path = "/workspaces/{id}/chat/download", tag = "chat files",
    params(("id" = String, Path), ("path" = String, Query, description = "as in the file's uri, without `workspace:`")),
    responses((status = 200, content_type = "application/octet-stream"), (status = 400), (status = 404), (status = 502),
        (status = 503)))]
pub(super) async fn download(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> AppResult<Response<Body>> {
    let id = place::workspace(&id)?;
    chat_file::check_path(&wanted.path).map_err(AppError::bad_request)?;
    let row = place::row(&app, id).await?;
    if let Some(found) = kept::find(&app, id, &wanted.path).await {
        return Ok(found.into_response());
    }
    match place::of(&app, &row, Op::Download).await? {
        Place::Agent(agent) => forward::download(&app, &agent, &wanted.path).await,
        Place::Here => Err(AppError::not_found("file not found")),
    }
}
