//! `/openapi.json`, and `/docs` that draws it without a network.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use utoipa::openapi::{InfoBuilder, OpenApi, RefOr, path::Operation};
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
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("delete", &mut item.delete),
            ("patch", &mut item.patch),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                finish(operation, method, path);
            }
        }
    }
    document
}

/// An id that no other operation has, and a word for every status: what the format asks for.
fn finish(operation: &mut Operation, method: &str, path: &str) {
    let words: Vec<&str> = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    operation.operation_id = Some(format!("{method}_{}", words.join("_")));
    for (code, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let status = code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
            response.description = status.and_then(|s| s.canonical_reason()).unwrap_or("the answer").to_owned();
        }
    }
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
