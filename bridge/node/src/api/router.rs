//! The routes, and what happens around each request.

use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use quorate_protocol::GroupId;
use quorate_protocol::api::{ErrorCode, MAX_WAIT_MS};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, ApiResult};
use super::limits::network_of;
use super::listener::Remote;
use super::state::Api;
use super::{anchor, commands, entries, events, group, health, inbox, log, openapi, proposals};

/// The longest that a request may take until its answer begins: the longest wait, the body, and some air.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(MAX_WAIT_MS + 15_000);

/// How long a browser may remember what pages of an origin may do.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);

/// All routes.
pub(super) fn router(api: Api) -> Router {
    let (documented, document) = documented_routes(&api).split_for_parts();
    let document = openapi::finish(document);
    documented
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(api.config().max_body_bytes))
        .layer(from_fn(limit_time))
        .layer(from_fn_with_state(api.clone(), limit_rate))
        .layer(from_fn_with_state(api.clone(), count_refusals))
        .layer(from_fn(say_whether_to_keep))
        .layer(cross_origin(&api.config().allowed_origins))
        .with_state(api)
}

/// Health, readiness and metrics alone.
pub(super) fn admin_router(api: Api) -> Router {
    let (routes, _) = OpenApiRouter::new().merge(watching_routes()).split_for_parts();
    routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(0))
        .layer(from_fn(limit_time))
        .layer(from_fn(say_whether_to_keep))
        .with_state(api)
}

/// Lets web pages of these origins use the API, and no others: the CORS protocol of the Fetch standard. The API knows no
/// cookies, so there is nothing that a page could do in a user's name.
fn cross_origin(origins: &[String]) -> CorsLayer {
    let allowed = if origins == ["*"] {
        AllowOrigin::any()
    } else {
        // The configuration was checked: an origin is made of letters, digits and few signs.
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::ACCEPT, header::CONTENT_TYPE, HeaderName::from_static("last-event-id")])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT_AGE)
}

/// What the log says next is something else: no cache keeps an answer, unless the handler says that it may.
async fn say_whether_to_keep(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kept = response.headers_mut().entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The handlers with their documentation: a route that is served is in the OpenAPI document, because both
/// are made from the same attribute.
fn documented_routes(api: &Api) -> OpenApiRouter<Api> {
    let of_the_group = OpenApiRouter::new()
        .routes(routes!(group::status))
        .routes(routes!(group::agent))
        .routes(routes!(group::checkpoint))
        .routes(routes!(group::evidence))
        .routes(routes!(group::handovers))
        .routes(routes!(commands::submit))
        .routes(routes!(commands::receipt))
        .routes(routes!(proposals::list))
        .routes(routes!(proposals::show))
        .routes(routes!(proposals::decision))
        .routes(routes!(entries::page))
        .routes(routes!(entries::record))
        .routes(routes!(entries::receipt))
        .routes(routes!(log::certificate))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::tile))
        .routes(routes!(log::consistency))
        .routes(routes!(events::stream))
        .routes(routes!(inbox::show))
        .routes(routes!(anchor::package))
        .route_layer(from_fn_with_state(api.clone(), check_group));
    OpenApiRouter::with_openapi(openapi::head())
        .merge(of_the_group)
        .routes(routes!(openapi::document))
        .merge(watching_routes())
}

fn watching_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
}

/// Lets a request to the group's routes pass if it names the group and the node may serve it.
async fn check_group(
    State(api): State<Api>,
    names: Names,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let named: GroupId = names.read("group")?;
    let served = api.group().identity.group;
    if named != served {
        return Err(ApiError::not_found(format!("this node serves group {served}, not {named}")));
    }
    api.check_serving()?;
    Ok(next.run(request).await)
}

async fn limit_rate(
    State(api): State<Api>,
    ConnectInfo(Remote(remote)): ConnectInfo<Remote>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    // Whoever watches over the node must not be locked out by whoever else comes from its address.
    if request.uri().path().starts_with("/v1/") {
        api.addresses()
            .take(network_of(remote.ip()), Instant::now())
            .map_err(|wait| rate_limited(format!("too many requests from {}", remote.ip()), wait))?;
    }
    Ok(next.run(request).await)
}

/// The refusal of a request that came `wait` too early.
pub(super) fn rate_limited(what: String, wait: Duration) -> ApiError {
    let wait_ms = wait.as_millis().max(1);
    let message = format!("{what}; ask again in {wait_ms} ms");
    ApiError::new(ErrorCode::RateLimited, message).retry_after(wait.as_secs() + 1)
}

async fn limit_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::pending(format!("no answer within {REQUEST_TIMEOUT:?}; ask again")).into_response()
        }
    }
}

async fn count_refusals(State(api): State<Api>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        let name = serde_json::to_value(code).unwrap_or_default();
        api.node().metrics.count_refused_request(name.as_str().unwrap_or("unknown"));
    }
    response
}

async fn unknown_route(request: Request) -> ApiError {
    let path = request.uri().path();
    ApiError::not_found(format!("no route {path}; /v1/openapi.json lists them all"))
}

async fn unknown_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{path} does not take {method}; /v1/openapi.json lists what it takes");
    ApiError::new(ErrorCode::MethodNotAllowed, message)
}

/// The query of a request, whose faults are answered as every other fault.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Query(params) = Query::<T>::from_request_parts(parts, api).await?;
        Ok(Self(params))
    }
}

/// The parameters of a request's path, as text, by name.
pub(super) struct Names(RawPathParams);

impl FromRequestParts<Api> for Names {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, api).await;
        Ok(Self(params.map_err(|error| ApiError::malformed(format!("path: {error}")))?))
    }
}

impl Names {
    /// The parameter `name` of the route's path.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| value)
    }

    /// The parameter `name` of the route's path, read as a `T`.
    pub(super) fn read<T: std::str::FromStr<Err: std::fmt::Display>>(&self, name: &str) -> ApiResult<T> {
        parse(self.text(name))
    }
}

/// Reads an identifier or a number.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> ApiResult<T> {
    text.parse().map_err(|error: T::Err| ApiError::malformed(format!("{text:?}: {error}")))
}
