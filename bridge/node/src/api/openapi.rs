//! The OpenAPI document, made from the attributes of the handlers.

use std::sync::Arc;

use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use quorate_protocol::api::{ErrorBody, ErrorCode, ErrorDetail};
use utoipa::openapi::OpenApi as Document;
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
        license(name = "Apache-2.0 OR MIT")
    ),
    components(schemas(ErrorBody, ErrorDetail, ErrorCode))
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
    let text = document.to_json().expect("a document made of strings and maps can be written as JSON");
    DocumentText(text.into())
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
    tag = "node",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json"))
)]
pub(super) async fn document(Extension(DocumentText(text)): Extension<DocumentText>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string())
}
