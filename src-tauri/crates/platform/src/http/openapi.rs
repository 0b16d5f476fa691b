//! `/openapi.json`, and `/docs` that draws it without a network.

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::openapi::{InfoBuilder, OpenApi};
use utoipa_axum::routes;

use super::Room;
use crate::auth::Access;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Molecule API</title></head>
<body><div id="app"></div><script src="/docs/scalar.js"></script><script src="/docs/start.js"></script></body>
</html>
"#;

/// This room's routes.
pub fn router() -> Room {
    Room::new().at(Access::Open, routes!(openapi)).at(Access::Open, routes!(docs))
}

/// The document of every route.
#[must_use]
pub fn document() -> OpenApi {
    let (_, mut document) = super::routes().split();
    document.info = InfoBuilder::new()
        .title("Molecule Desktop")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The platform server of Molecule Desktop."))
        .build();
    document
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "platform", responses((status = 200)))]
async fn openapi() -> Json<OpenApi> {
    Json(document())
}

/// The same, to read.
#[utoipa::path(get, path = "/docs", tag = "platform", responses((status = 200, content_type = "text/html")))]
async fn docs() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, super::security::CANVAS_POLICY),
    ];
    (headers, PAGE).into_response()
}
