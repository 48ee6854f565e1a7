//! The OpenAPI document, made from the attributes of the handlers.

use std::sync::Arc;

use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use quorate_protocol::api::{CBOR, ErrorBody, ErrorCode, PROBLEM};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, ObjectBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder, Type};
use utoipa::{IntoParams, OpenApi};

/// What is said about the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quorate node",
        description = "Ordering, log and proofs of one group. Identifiers and hashes are hexadecimal behind \
                       0x. Bodies in application/cbor are deterministic CBOR with integer keys, as the crate \
                       quorate-protocol defines them. Whatever must be trusted comes as a receipt or a \
                       certificate; check it against the contract.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    components(schemas(ErrorBody, ErrorCode))
)]
struct Head;

/// The document without any route.
pub(super) fn head() -> Document {
    Head::openapi()
}

/// The document's text, ready to be served.
#[derive(Clone)]
pub(super) struct DocumentText(Arc<str>);

/// Turns axum's spelling of a parameter that takes the rest of a path into OpenAPI's, and writes the text.
pub(super) fn finish(mut document: Document) -> DocumentText {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (path, item) in &mut document.paths.paths {
        let is_limited = path.starts_with("/v1/");
        item.get.iter_mut().chain(&mut item.post).for_each(|operation| tell_problems(operation, is_limited));
    }
    let text = document.to_json().expect("a document made of strings and maps can be written as JSON");
    DocumentText(text.into())
}

/// Every answer that is no success is problem details; a client may ask too often, where that is limited.
fn tell_problems(operation: &mut Operation, is_limited: bool) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.iter_mut().for_each(tell_bytes);
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        response.content.iter_mut().for_each(tell_bytes);
        if !status.starts_with('2')
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
    let mut add = |status: &str, description: &str| {
        let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let response = ResponseBuilder::new().description(description).content(PROBLEM, body).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
    };
    if is_limited {
        add("429", "rate_limited");
    }
    add("default", "Any other condition");
}

/// Bytes are no list of numbers in JSON: what is in them the media type says.
fn tell_bytes((media_type, content): (&String, &mut RefOr<Content>)) {
    if [CBOR, "application/octet-stream"].contains(&media_type.as_str())
        && let RefOr::T(content) = content
    {
        let bytes = ObjectBuilder::new().schema_type(Type::String).content_media_type(media_type.as_str());
        content.schema = Some(bytes.build().into());
    }
}

/// The group in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "its fields are read by the derived documentation alone")]
pub(super) struct GroupParam {
    /// The group's id.
    group: String,
}

/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getDocument",
    tag = "node",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json"))
)]
pub(super) async fn document(Extension(DocumentText(text)): Extension<DocumentText>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string())
}
