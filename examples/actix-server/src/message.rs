//! Requests and answers: Actix has types of its own, built on an older version of those that the host speaks.

use actix_http::{RequestHead, Response, StatusCode, Version};
use actix_web::web::Bytes;
use united_voice_host::Request;

/// The request as the host takes it, without a body. An error is where the two versions differ about what is valid.
pub(crate) fn request(head: &RequestHead) -> http::Result<Request> {
    let mut request = http::Request::builder()
        .method(head.method.as_str())
        .uri(head.uri.to_string());
    for (name, value) in head.headers() {
        request = request.header(name.as_str(), value.as_bytes());
    }
    if head.version < Version::HTTP_11 {
        request = request.version(http::Version::HTTP_10);
    }
    request.body(Bytes::new())
}

/// The host's answer as Actix takes it.
pub(crate) fn response(answer: united_voice_host::Response) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).expect("one in any version");
    let mut response = Response::build(status);
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.message_body(body).expect("valid in any version")
}
