//! Requests and answers: Actix has types of its own, built on an older version of those that the host speaks.

use actix_http::{RequestHead, Response, StatusCode, header};
use actix_web::web::Bytes;
use united_voice_host::{Host, Request};

/// The host's answer to a request.
pub(crate) async fn answer(host: &Host, head: &RequestHead, body: Bytes) -> Response<Bytes> {
    match request(head, body) {
        Ok(request) => response(host.respond(request).await),
        Err(_) => refuse_body(http::StatusCode::BAD_REQUEST),
    }
}

/// The host's answer to a request whose body could not be read.
pub(crate) fn refuse_body(status: http::StatusCode) -> Response<Bytes> {
    response(Host::refuse_body(status))
}

/// The request as the host takes it.
///
/// # Errors
///
/// Where the two versions differ about what is valid.
pub(crate) fn request(head: &RequestHead, body: Bytes) -> http::Result<Request> {
    let mut request = http::Request::builder()
        .method(head.method.as_str())
        .uri(head.uri.to_string());
    for (name, value) in head.headers() {
        request = request.header(name.as_str(), value.as_bytes());
    }
    request.body(body)
}

/// The host's answer as Actix takes it.
pub(crate) fn response(answer: united_voice_host::Response) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let status =
        StatusCode::from_u16(head.status.as_u16()).expect("a status is one in any version");
    let mut response = Response::with_body(status, body);
    for (name, value) in &head.headers {
        let name = header::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = header::HeaderValue::from_bytes(value.as_bytes());
        response.headers_mut().append(
            name.expect("a name is one in any version"),
            value.expect("a value is one in any version"),
        );
    }
    response
}
