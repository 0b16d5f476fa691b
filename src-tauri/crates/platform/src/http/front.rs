//! The front door: what every request passes, in order, before a route sees it.
//!
//! First a capability in the path is taken off and `Origin` judged; preflights are answered.
//! Then the credential becomes a [`Caller`], `Host` must be one of our names with our port, and the
//! limiter counts. Last comes the route, with panics contained, figures counted and headers added.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header, uri::PathAndQuery},
    middleware,
    response::IntoResponse,
    routing::any,
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tower::ServiceExt;

use super::{
    assets, body, cors,
    limiter::{Allowance, Limiter},
    patient::Patient,
    refusal, security, unread,
};
use crate::{
    App, AppError,
    auth::{Caller, Capability, access_development, bearer},
};

/// Further names that callers with a workspace credential may use: from inside containers.
const CONTAINER_NAMES: [&str; 3] = ["host.docker.internal", "host.containers.internal", "platform"];

/// Bodies up to this size are read before the route runs, bytes.
const SMALL_BODY: u64 = 256 * 1024;
/// Routes that a capability does not reach.
const NOT_UNDER_CAPABILITY: [&str; 3] = ["/docs", "/launch", "/app/ticket"];

struct Front {
    app: App,
    inner: Router,
    limiter: Limiter,
    listed: Vec<String>,
}

/// The pattern that a request matched, for the figures.
#[derive(Clone)]
struct Pattern(MatchedPath);

/// The whole server as one service.
pub fn service(app: App) -> Router {
    let (routes, _) = super::routes().split();
    let inner = routes
        .layer(DefaultBodyLimit::max(body::LIMIT))
        .route_layer(middleware::from_fn(note_pattern))
        .fallback(any(page))
        .method_not_allowed_fallback(any(|| async { assets::not_found() }))
        .with_state(app.clone());
    let listed = app.config.listed_origins();
    let front = Arc::new(Front { app, inner, limiter: Limiter::default(), listed });
    Router::new().fallback(any(pass)).with_state(front)
}

async fn note_pattern(request: Request, next: middleware::Next) -> Response<Body> {
    let pattern = request.extensions().get::<MatchedPath>().cloned();
    let mut response = refusal::as_json(next.run(request).await).await;
    if let Some(pattern) = pattern {
        response.extensions_mut().insert(Pattern(pattern));
    }
    response
}

/// A file of the canvas, or 404; a trailing slash on an API path leads to the path without (10 §1).
async fn page(State(app): State<App>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    if security::is_api(path) {
        if let Some(short) = path.strip_suffix('/').filter(|short| !short.is_empty()) {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let status = if request.method() == Method::GET {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::TEMPORARY_REDIRECT
            };
            return (status, [(header::LOCATION, format!("{short}{query}"))]).into_response();
        }
        return assets::not_found();
    }
    let under_capability = request.extensions().get::<Capability>().is_some();
    match request.method() {
        &Method::GET | &Method::HEAD if !under_capability => {
            assets::serve(&app.config, path).unwrap_or_else(assets::not_found)
        }
        _ => assets::not_found(),
    }
}

/// The address that a caller came by, without a trailing slash: the name of ours that it used, with its
/// capability where it had one. For that caller's eyes only, and for no log.
#[must_use]
pub fn came_by(headers: &HeaderMap, capability: Option<&Capability>) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let prefix = capability.map(|capability| format!("/as/{}", capability.expose())).unwrap_or_default();
    format!("http://{host}{prefix}")
}

async fn pass(State(front): State<Arc<Front>>, mut request: Request) -> Response<Body> {
    let app = &front.app;
    let started = Instant::now();
    let capability = take_capability(&mut request);
    let base = capability.as_ref().map(|text| format!("/as/{text}"));
    let verdict = cors::judge(request.headers(), &app.endpoint, &front.listed, base.as_deref());
    let origin = match verdict {
        cors::Verdict::Own => None,
        cors::Verdict::Listed(origin) => Some(origin),
        cors::Verdict::Foreign => return refuse_origin(),
    };
    if cors::made_elsewhere(request.headers(), capability.is_some() && origin.is_none()) {
        return refuse_origin();
    }
    // Neither pages nor what opens a window lies under a capability.
    if capability.is_some() && NOT_UNDER_CAPABILITY.contains(&request.uri().path()) {
        return assets::not_found();
    }
    if cors::is_preflight(request.method(), request.headers()) {
        return origin.map_or_else(|| StatusCode::NO_CONTENT.into_response(), cors::preflight);
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = match admit(&front, &mut request, capability.as_deref()).await {
        Ok(allowance) => {
            let mut response = run(&front, request).await;
            // A later limiter's own headers stay.
            if !response.headers().contains_key("x-ratelimit-limit") {
                allowance.apply(response.headers_mut());
            }
            let pattern = response.extensions().get::<Pattern>().map_or("unmatched", |pattern| pattern.0.as_str());
            app.metrics.count(method.as_str(), pattern, response.status().as_u16(), started.elapsed());
            security::apply(response.headers_mut(), &path);
            response
        }
        Err(refused) => {
            if !request.headers().contains_key(header::EXPECT) {
                unread::drain(std::mem::take(request.body_mut())).await;
            }
            *refused
        }
    };
    if let Some(origin) = origin {
        cors::allow(response.headers_mut(), origin);
    }
    response
}

/// Host, credential, limiter.
async fn admit(
    front: &Front,
    request: &mut Request,
    capability: Option<&str>,
) -> Result<Allowance, Box<Response<Body>>> {
    let app = &front.app;
    let shown = bearer(request.headers()).map(str::to_owned);
    let caller = caller(app, shown.as_deref(), capability).await.map_err(|error| Box::new(error.into_response()))?;
    if !host_allowed(app, request, &caller) {
        let error =
            AppError::forbidden("this address is not one of Molecule's own: use http://127.0.0.1 with its port")
                .code("host_not_allowed");
        return Err(Box::new(error.into_response()));
    }
    let allowance = front.limiter.take(&app.config, &caller, app.now()).map_err(|(allowance, error)| {
        let mut response = error.into_response();
        allowance.apply(response.headers_mut());
        Box::new(response)
    })?;
    if let Some(shown) = capability {
        request.extensions_mut().insert(Capability::new(shown));
    }
    request.extensions_mut().insert(access_development(app.config.development));
    request.extensions_mut().insert(caller);
    Ok(allowance)
}

/// The credential: a bearer counts; without one, the capability of the base URL.
async fn caller(app: &App, shown: Option<&str>, capability: Option<&str>) -> Result<Caller, AppError> {
    let by_url = match capability {
        Some(text) => Some(app.auth.by_capability(app, text).await?),
        None => None,
    };
    match (shown, by_url) {
        (_, Some(Caller::Unknown)) => {
            Err(AppError::unauthorized("this base URL is no longer valid").code("capability_revoked"))
        }
        (Some(text), _) => app.auth.by_bearer(app, text).await,
        (None, Some(caller)) => Ok(caller),
        (None, None) => Ok(Caller::Anonymous),
    }
}

/// Exactly one `Host`, one of our names; an absolute-form target must agree with it.
fn host_allowed(app: &App, request: &Request, caller: &Caller) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let own = |name: &str| {
        app.endpoint.is_own(name)
            || (matches!(caller, Caller::Workspace(_)) && app.endpoint.is_named(name, &CONTAINER_NAMES))
    };
    own(host) && target.is_none_or(own)
}

/// Takes `/as/<capability>` off the path and answers it.
fn take_capability(request: &mut Request) -> Option<String> {
    let rest = request.uri().path().strip_prefix("/as/")?;
    let (capability, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let capability = capability.to_owned();
    let path = if path.is_empty() { "/" } else { path };
    let path = request.uri().query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    Some(capability)
}

/// A request as the route gets it, and whether all of a large body was read in the end.
struct Taken {
    request: Request,
    whole: Option<Arc<AtomicBool>>,
    /// What is left of a large body that the route did not want.
    rest: Option<unread::Rest>,
}

/// Reads a small body before the route runs. A route that refuses without reading it would leave the bytes on
/// the connection, which then has to be closed under a client that already sends its next request. Of a large one
/// the route gets the pieces as they come. Neither is waited for for ever.
async fn take_in(request: Request, patience: Duration) -> Result<Taken, AppError> {
    if request.body().is_end_stream() {
        return Ok(Taken { request, whole: None, rest: None });
    }
    let (parts, body) = request.into_parts();
    if body.size_hint().exact().is_none_or(|size| size > SMALL_BODY) {
        let (body, whole) = Patient::new(body, patience);
        let (body, rest) = unread::watch(Body::new(body), parts.headers.contains_key(header::EXPECT));
        return Ok(Taken { request: Request::from_parts(parts, body), whole: Some(whole), rest: Some(rest) });
    }
    let body = match tokio::time::timeout(patience, body.collect()).await {
        Ok(Ok(whole)) => Body::from(whole.to_bytes()),
        // Cut off: the route finds nothing, and nobody is left to be told.
        Ok(Err(_)) => Body::empty(),
        Err(_) => {
            let late = AppError::new(StatusCode::REQUEST_TIMEOUT, "the request body did not come in time");
            return Err(late.code("body_too_slow"));
        }
    };
    Ok(Taken { request: Request::from_parts(parts, body), whole: None, rest: None })
}

/// The route, with a panic contained (10 §1.1: 500, empty).
async fn run(front: &Front, request: Request) -> Response<Body> {
    let Taken { request, whole, rest } = match take_in(request, front.app.config.client_patience).await {
        Ok(taken) => taken,
        Err(late) => return last(late.into_response()),
    };
    let answer = AssertUnwindSafe(front.inner.clone().oneshot(request)).catch_unwind().await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Err(_) => {
            tracing::error!("a handler panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    let refused = response.status().is_client_error() || response.status().is_server_error();
    if let Some(rest) = rest.filter(|_| refused) {
        rest.throw_away().await;
    }
    // What is left of a body lies on the connection: its client must not send the next request there.
    if whole.is_some_and(|whole| !whole.load(Ordering::Acquire)) { last(response) } else { response }
}

/// The last answer on its connection.
fn last(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// 403 with an empty body (10 §1.1).
fn refuse_origin() -> Response<Body> {
    let mut response = StatusCode::FORBIDDEN.into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}
